"""All four services in one process, step by step: repeatable bit for bit, and a good place for a breakpoint.

It calls the same step functions as the services. Nothing runs ahead and nothing is timed, so that the seed, the number
of threads and the processor decide everything.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from threading import Event
from typing import Any, NamedTuple

import numpy as np
import torch

from spiral import datasets
from spiral.computing.divergence import DivergedError
from spiral.computing.precision import FP32
from spiral.computing.threads import compute_with, flush_denormals
from spiral.configuration.schema import RunConfig
from spiral.engines import Canvases, create
from spiral.engines.description import EngineDescription
from spiral.policy.rollouts import Painter
from spiral.runs import dataset_record
from spiral.runs.checkpoint_reading import CheckpointError
from spiral.runs.checkpoints import CheckpointStore, State, raise_generation
from spiral.runs.directory import Run
from spiral.runs.divergence_record import DivergenceRecord
from spiral.runs.limits import Limits
from spiral.services.discriminator.build import build_judge
from spiral.services.discriminator.initial_weights import load_initial_weights
from spiral.services.discriminator.judge import Judge
from spiral.services.learner.scored_batch import ScoredBatch
from spiral.services.learner.slots import fewest_slots
from spiral.services.learner.trainer import Trainer
from spiral.services.learner.unrolls import places
from spiral.values.trajectories import Trajectory, concatenate

_log = logging.getLogger(__name__)


class Group(NamedTuple):
    """Canvases and the painter that paints on them."""

    painter: Painter
    canvases: Canvases


class Lockstep:
    """One fixed order: paint a batch, score it, learn from it."""

    def __init__(
        self,
        config: RunConfig,
        run: Run,
        limits: Limits,
        *,
        engine_threads: int = 1,
        clock: Callable[[], float] = time.monotonic,
        schedule_from: int = 0,
    ) -> None:
        """Start or resume ``run``; ValueError or CheckpointError with a sentence if that is not possible."""
        engine = create(config.engine.name, config.engine.settings)
        generation = raise_generation(run.checkpoints("learner"))
        self.trainer = Trainer(
            config, run, generation, lambda: EngineDescription.of(engine), limits, clock, schedule_from=schedule_from
        )
        height, width, channels = engine.observation_shape
        self.config = config = self.trainer.config  # a resumed run keeps the validation split that it began with
        held_out = config.hold_out_validation
        data = datasets.load(config.data, (height, width), channels == 3, hold_out_validation=held_out)
        self._store = CheckpointStore(run.checkpoints("discriminator"), config.learner.keep)
        self._judge: Judge = build_judge(
            config,
            engine.observation_shape,
            data,
            seed=config.seed,
            generation=raise_generation(run.checkpoints("discriminator")),
        )
        contract, groups = self.trainer.contract, config.learner.batch // config.actor.batch
        fewest_slots(  # what would be too large for the services' queue is refused here, too
            contract,
            batch=config.actor.batch,
            learner_batch=config.learner.batch,
            queue=config.learner.queue,
            queue_bytes=config.learner.queue_bytes,
        )
        self._generator = torch.Generator().manual_seed(config.seed)
        # The groups of a batch use the same canvases one after the other, unless each is in the middle of an episode.
        self._groups = [
            Group(
                Painter(self.trainer.learner.policy, config.actor.batch, self._generator, contract.unroll),
                engine.open(config.actor.batch, engine_threads),
            )
            for _ in range(groups if contract.cut else 1)
        ]
        self._batches = 0
        self.seconds: dict[str, float] = dict.fromkeys(("paint", "score", "learn"), 0.0)
        """Time spent so far in each stage."""
        if changed := dataset_record.store(run, config.data, data, learnt=self.trainer.extra is not None):
            _log.warning("%s", changed)
        if self.trainer.extra is None:
            load_initial_weights(self._judge, run)
        else:
            self._resume(self.trainer.extra)

    def step(self) -> None:
        """Paint, score and learn one batch."""
        start = time.perf_counter()
        groups = self._groups * (self.config.learner.batch // self.config.actor.batch // len(self._groups))
        newest = self.trainer.learner.updates
        batch = concatenate([self._paint(group) for group in groups])
        painted = time.perf_counter()
        self._batches += 1
        batch_id = f"{self.trainer.generation}.{self._batches}"
        where = places(batch, self.config.num_actions)
        ends = None if batch.first_step is None else where.ends
        scores = self._judge.score(batch_id, batch.observations, batch.targets, True, ends)
        self._judge.pay_debt()
        scored = time.perf_counter()
        self.trainer.learn(
            ScoredBatch(batch, where, newest, newest, scores.terms, scores.real.mean, scores.painted.mean)
        )
        learnt = time.perf_counter()
        for stage, seconds in (("paint", painted - start), ("score", scored - painted), ("learn", learnt - scored)):
            self.seconds[stage] += seconds

    @property
    def between_episodes(self) -> bool:
        """Whether no episode is in progress, so that checkpoints hold everything."""
        return all(group.painter.done for group in self._groups)

    def save(self) -> None:
        """Write both checkpoints; they hold everything except episodes in progress."""
        self._save_judge()
        self.trainer.save(self._extra())

    def finish(self) -> dict[str, Any] | None:
        """Write the end of a run and return the last record. OSError or CheckpointError: not everything was written."""
        try:
            self._save_judge()
        finally:
            record = self.trainer.finish(self._extra())
        return record

    def _save_judge(self) -> None:
        if self.trainer.unsaved:
            self._judge.check()
            self._store.save(self._judge.state(), self.config.to_yaml())

    def give_up(self, error: DivergedError) -> None:
        """Save what was learned before, and record why the run ends; errors as for :meth:`finish`."""
        self.finish()
        DivergenceRecord(self.trainer.run.checkpoints(error.service), self.config, FP32.name).write(str(error))

    def _paint(self, group: Group) -> Trajectory:
        painter, canvases = group
        if painter.done:
            size = self.config.actor.batch
            blank = canvases.reset(np.zeros(size, np.int64))
            painter.begin(blank, self._judge.sample_targets(size, test=False) if self.config.conditional else None)
        while not painter.full:
            painter.observe(canvases.step(painter.act()))
        return painter.trajectory()

    def _extra(self) -> State:
        return State({"batches": self._batches}, {"generators": {"painting": self._generator.get_state()}})

    def _resume(self, extra: State) -> None:
        found = self._store.latest()
        if found is not None:
            self._judge.restore(found.state)
        # A run that the four services began has no state for this painter.
        if "generators" in extra.tensors:
            self._generator.set_state(extra.tensors["generators"]["painting"])
            self._batches = extra.counters["batches"]


def run_lockstep(
    config: RunConfig,
    run: Run,
    limits: Limits,
    *,
    threads: int,
    stopping: Event,
    on_record: Callable[[Mapping[str, Any]], None],
    schedule_from: int = 0,
) -> str:
    """Train until the limit or until ``stopping`` is set, then save everything. Returns what was found at the start.

    ``on_record`` gets each record of the history. Everything is computed in float32. If something can't be written
    during the run, that is logged and the run goes on. OSError or CheckpointError if the end could not be written,
    DivergedError if learning has diverged.
    """
    with deterministic(threads):
        lockstep = Lockstep(config, run, limits, engine_threads=threads, schedule_from=schedule_from)
        try:
            _train(lockstep, stopping, on_record)
        except DivergedError as error:
            lockstep.give_up(error)
            raise
        return lockstep.trainer.resumed


def _train(lockstep: Lockstep, stopping: Event, on_record: Callable[[Mapping[str, Any]], None]) -> None:
    trainer = lockstep.trainer
    while not stopping.is_set() and trainer.done < 1:
        lockstep.step()
        try:
            record = trainer.write_due({})
            if record is not None:
                on_record(record)
            if trainer.checkpoint_due and lockstep.between_episodes:
                lockstep.save()
        except (OSError, CheckpointError) as error:
            _log.error("not saved; the run goes on: %s", error)
    record = lockstep.finish()
    if record is not None:
        on_record(record)


@contextmanager
def deterministic(threads: int) -> Iterator[None]:
    """Use deterministic algorithms on ``threads`` threads within the block; otherwise compute as the services do."""
    choice: Any = torch.utils.deterministic  # its one setting is not in the annotations
    before = torch.are_deterministic_algorithms_enabled(), torch.get_num_threads(), choice.fill_uninitialized_memory
    torch.use_deterministic_algorithms(True)
    # Otherwise every new tensor is first filled with NaN, to reveal reads of unset memory: thousands of times a batch.
    choice.fill_uninitialized_memory = False
    compute_with(threads)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0])
        torch.set_num_threads(before[1])
        choice.fill_uninitialized_memory = before[2]
        flush_denormals(False)
