"""Training from start to end: learn from scored batches, write checkpoints and resume from them.

It owns no thread and no socket; the service feeds it from the network, lockstep from the same process.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import torch

from spiral.configuration.changes import going_on
from spiral.configuration.schema import RunConfig
from spiral.engines.description import EngineDescription
from spiral.models import read_card_file
from spiral.policy import build_policy
from spiral.policy.weights import load_weights, parse_weights
from spiral.runs.checkpoints import CheckpointStore, State
from spiral.runs.directory import Run
from spiral.runs.limits import Limits
from spiral.services.learner.episode_statistics import episode_statistics, mean_reward
from spiral.services.learner.policy_learner import PolicyLearner
from spiral.services.learner.recorder import Recorder
from spiral.services.learner.rewards import RunningDeviation, combine_terms, rewards_of
from spiral.services.learner.schedule import Schedule
from spiral.services.learner.scored_batch import Lag, ScoredBatch
from spiral.services.learner.unrolls import finished
from spiral.values import strict_json
from spiral.values.atomic_file import atomic_write
from spiral.values.trajectories import TrajectoryContract, even_unroll
from spiral.values.versions import Version


class Trainer:
    """Learns from scored batches and writes checkpoints; its :class:`Recorder` writes what people look at."""

    def __init__(
        self,
        config: RunConfig,
        run: Run,
        generation: int,
        describe: Callable[[], EngineDescription],
        limits: Limits,
        clock: Callable[[], float],
        device: torch.device | None = None,
        schedule_from: int = 0,
    ) -> None:
        """Start or resume. ``describe`` asks the renderer, once in a run's life; ``generation`` is already raised.
        ``schedule_from``: the learned frames at which a restart of the schedules was asked for."""
        self.config, self.run, self.limits = config, run, limits
        self._clock, self._started = clock, clock()
        self.generation = generation
        self._store = CheckpointStore(run.checkpoints("learner"), config.learner.keep)
        self.description = _stored_description(run, describe)
        torch.manual_seed(config.seed)
        description = self.description
        policy = build_policy(
            config.policy, description.spec, description.observation_shape, config.num_actions, config.conditional
        )
        self.learner = PolicyLearner(policy.to(device or "cpu"), config.learner, config.seed)
        self._deviation = RunningDeviation()
        self._elapsed_before = 0.0
        self.extra: State | None = None
        """The caller's own state in the checkpoint that was resumed."""
        if run.initial_card_file.exists():
            self.learner.frames_before = read_card_file(run.initial_card_file).frames
        self._kept_schedule: dict[str, Any] = {}
        self.resumed = self._resume()
        self.schedule = Schedule(limits, config.learner.run_frames, self._kept_schedule, schedule_from)
        self._advance()
        # This makes the directory a run that `spiral paint` can read, whoever started the learner.
        with atomic_write(run.config_file) as aside:
            aside.write_text(self.config.to_yaml())
        self.recorder = Recorder(self.config, run, self.learner, description, clock)
        self._saved_at = clock()
        self._on_disk: tuple[int, int] | None = None if self.extra is None else self._learnt
        """Progress at the last checkpoint; None: there is none."""
        self._unsaved_since: float | None = None
        """Time of the oldest learned batch that no checkpoint holds."""
        self.last: ScoredBatch | None = None
        """The newest learned batch."""
        self.lag = Lag(0, 0)

    @property
    def contract(self) -> TrajectoryContract:
        """The format of this run's trajectories."""
        config, description = self.config, self.description
        return TrajectoryContract(
            description.spec,
            description.observation_shape,
            config.num_actions,
            config.conditional,
            config.policy.noise,
            even_unroll(config.num_actions, config.unroll),
            self.learner.policy.state_size,
        )

    @property
    def version(self) -> Version:
        """Version of the weights."""
        return Version(self.generation, self.learner.updates)

    @property
    def elapsed_s(self) -> float:
        """Seconds spent on this run over all its starts."""
        return self._elapsed_before + self._clock() - self._started

    @property
    def done(self) -> float:
        """Share of the limit that is done: 1 or more at the end, 0 without a limit."""
        return self.limits.done(self._clock() - self._started, self.learner.frames) or 0.0

    def learn(self, batch: ScoredBatch) -> None:
        """Turn scores into rewards and learn from them. DivergedError if learning has diverged."""
        learner, settings = self.learner, self.config.learner
        scores = combine_terms(batch.terms, settings.terms)
        where = batch.where
        rewards = rewards_of(batch.trajectory, scores, settings, self.description.spec, self._deviation, where)
        self.lag = Lag(learner.updates - batch.newest, learner.updates - batch.oldest)
        learner.learn(batch.trajectory, rewards, where)
        self._advance()
        if self._unsaved_since is None and self.unsaved:
            self._unsaved_since = self._clock()
        self.last = batch
        ended = finished(batch.trajectory, where)
        figures = {
            "reward": mean_reward(rewards, where),
            "score_real": batch.score_real,
            "score_painted": batch.score_painted,
            "lag": self.lag.mean,
            **episode_statistics(scores, batch.terms, where, ended, self.description.spec),
        }
        self.recorder.learnt(figures, ended)

    def write_due(self, waits: Mapping[str, float]) -> dict[str, Any] | None:
        """Write whatever is due by the clock; see :meth:`Recorder.write_due`."""
        return self.recorder.write_due(self.elapsed_s, self.done, waits)

    @property
    def checkpoint_due(self) -> bool:
        """Whether there is something to save and the last checkpoint is old enough."""
        return self.unsaved and self._clock() - self._saved_at >= self.config.learner.checkpoint_s

    @property
    def unsaved(self) -> bool:
        """Whether there is progress that no checkpoint holds, or no checkpoint at all."""
        return self._learnt != self._on_disk

    @property
    def unsaved_s(self) -> float:
        """Seconds since the oldest learned batch that no checkpoint holds; 0: all is saved."""
        return 0.0 if self._unsaved_since is None else self._clock() - self._unsaved_since

    @property
    def _learnt(self) -> tuple[int, int]:
        """Progress: learned frames, and batches from which only the discriminator learned."""
        return self.learner.frames, self.learner.held

    def finish(self, extra: State | None = None) -> dict[str, Any] | None:
        """Write a checkpoint, then the last record (returned), samples and the end snapshot.

        CheckpointError if the checkpoint can't be written. Other failures are logged: no run resumes from those files.
        """
        self.save(extra)
        return self.recorder.finish(self.elapsed_s)

    def save(self, extra: State | None = None) -> None:
        """Write a checkpoint of sound weights, if something was learned since the last one.

        Otherwise the checkpoints there are good and must not be rotated away. ``extra`` is whatever else belongs to the
        checkpoint; a resumed run gets it back.

        DivergedError if the newest weights are not sound for the third time in a row.
        """
        if not self.unsaved:
            return
        self._saved_at = self._clock()  # even if saving fails: a full disk is tried again after the interval
        self.learner.check()
        self._advance()
        state = self.learner.state()
        counters = {
            **state.counters,
            "elapsed_s": self.elapsed_s,
            "schedule": self.schedule.state(),
            "deviation": [self._deviation.mean, self._deviation.square, self._deviation.weight],
        }
        tensors = dict(state.tensors)
        if extra is not None:
            counters["extra"] = extra.counters
            tensors |= extra.tensors
        self._store.save(State(counters, tensors), self.config.to_yaml())
        self._on_disk, self._unsaved_since = self._learnt, None

    def _advance(self) -> None:
        """Advance the schedules over the run."""
        self.learner.run_share = self.schedule.advance(self._clock() - self._started, self.learner.frames)

    def _resume(self) -> str:
        """Restore the newest checkpoint and return a sentence about what was found."""
        found = self._store.latest()
        if found is None:
            return self._begin()
        self.config = going_on(found.config, self.config)
        counters = found.state.counters
        self.learner.restore(found.state)
        self._elapsed_before = counters["elapsed_s"] if self.limits.from_s is None else self.limits.from_s
        self._started -= counters["elapsed_s"] - self._elapsed_before
        self._kept_schedule = counters.get("schedule", {})
        self._deviation.mean, self._deviation.square, self._deviation.weight = counters["deviation"]
        self.extra = State(counters.get("extra", {}), found.state.tensors)
        skipped = "".join(f"; {sentence}" for sentence in found.skipped)
        return f"resumed {found.path.name}: {self.learner.frames:,} frames, {self.learner.updates:,} updates{skipped}"

    def _begin(self) -> str:
        """Start with the weights of a model if the run has one; return a sentence about what was found."""
        try:
            weights = parse_weights(self.run.initial_file.read_bytes())
        except FileNotFoundError:
            return "a new run"
        fitting = self.learner.policy.for_this_run(weights)
        for policy in (self.learner.policy, self.learner.average):
            load_weights(policy, fitting, self.run.initial_file.name)
        return "a new run with the weights of a model"


def _stored_description(run: Run, describe: Callable[[], EngineDescription]) -> EngineDescription:
    """The engine's description as stored with the run; for a new run the renderer is asked and the answer stored."""
    try:
        return EngineDescription.from_json(json.loads(run.engine_file.read_text()))
    except FileNotFoundError:
        description = describe()
        with atomic_write(run.engine_file) as aside:
            aside.write_text(strict_json.exact(description.to_json(), indent=1))
        return description
    except json.JSONDecodeError as error:
        raise ValueError(
            f"engine description: {run.engine_file} is damaged ({error}); remove it, and the renderer is asked again"
        ) from error
