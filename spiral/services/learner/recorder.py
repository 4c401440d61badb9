"""Files that show how a run learns: the learning curve, samples, snapshots, and warnings of saturation.

No run resumes from any of them; that is what checkpoints are for.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from spiral.computing.saturation import Saturation, SaturationWarnings
from spiral.configuration.schema import RunConfig
from spiral.engines.description import EngineDescription
from spiral.runs.directory import Run
from spiral.services.learner.history import History
from spiral.services.learner.policy_learner import PolicyLearner
from spiral.services.learner.samples import SNAPSHOTS, write_samples, write_snapshot
from spiral.values.trajectories import Trajectory

RECORD_S = 5.0
"""Time between two points of the learning curve; several hundred points per hour draw a smooth line."""

_log = logging.getLogger(__name__)


class Recorder:
    """Writes the files that people look at into a run's directory when they are due."""

    def __init__(
        self,
        config: RunConfig,
        run: Run,
        learner: PolicyLearner,
        description: EngineDescription,
        clock: Callable[[], float],
    ) -> None:
        """``learner`` has been restored: the history is cut back to its frames."""
        self._config, self._run, self._learner, self._description = config, run, learner, description
        self._clock = clock
        for folder in (run.samples, run.snapshots):
            folder.mkdir(parents=True, exist_ok=True)
        if not learner.frames:
            write_snapshot(run.snapshots, SNAPSHOTS[0], learner.average)
        self._history = History(run.history_file, run.events, learner.frames)
        self._recorded_at = self._sampled_at = clock()
        self._recorded_frames = learner.frames
        self._quarter = 0
        self._ended: Trajectory | None = None
        """The newest episodes that have ended."""
        self._of_last: dict[str, Any] = {"terms": {}}
        """Figures of the newest learned batch."""
        self.saturation, self._warnings = Saturation(), SaturationWarnings()

    def learnt(self, figures: Mapping[str, Any], ended: Trajectory | None) -> None:
        """Take in a batch: its figures, and the episodes that ended with it, if any."""
        self._of_last |= figures
        if ended is not None:
            self._ended = ended

    def write_due(self, elapsed_s: float, done: float, waits: Mapping[str, float]) -> dict[str, Any] | None:
        """Write whatever is due: the history's record (returned), samples, snapshots.

        The run has taken ``elapsed_s`` seconds and has done the share ``done`` of its limit; ``waits`` are the seconds
        waited for each peer since the last record.
        """
        now = self._clock()
        record = None
        if "reward" in self._of_last and now - self._recorded_at >= RECORD_S:
            record = self._record(now, elapsed_s, waits)
        if now - self._sampled_at >= self._config.learner.sample_s:
            self._sampled_at = now
            self._write_samples()
        quarter = min(int(done * 4), 3)
        if quarter > self._quarter:
            self._quarter = quarter
            # A learner that was killed counts its minutes again; the earlier snapshot fits its name better.
            if not (self._run.snapshots / f"{SNAPSHOTS[quarter]}.safetensors").exists():
                write_snapshot(self._run.snapshots, SNAPSHOTS[quarter], self._learner.average)
        return record

    def finish(self, elapsed_s: float) -> dict[str, Any] | None:
        """Write the last record (returned), samples and the end snapshot. Failures to write are logged."""
        record = None
        try:
            if self._learner.statistics.batches:
                record = self._record(self._clock(), elapsed_s, {})
            self._write_samples()
            write_snapshot(self._run.snapshots, SNAPSHOTS[-1], self._learner.average)
            self._history.close()
        except OSError as error:
            _log.error("the checkpoint is saved, but not the rest: %s", error)
        return record

    def _write_samples(self) -> None:
        """Write pictures and programs of the newest episodes that have ended, if any."""
        if self._ended is not None:
            engine, version = self._config.engine, self._description.version
            write_samples(self._run.samples, self._learner.frames, self._ended, engine, version)

    def _record(self, now: float, elapsed_s: float, waits: Mapping[str, float]) -> dict[str, Any]:
        learner, statistics = self._learner, self._learner.take_statistics()
        interval = max(now - self._recorded_at, 1e-9)
        record: dict[str, Any] = {
            "seconds": round(elapsed_s, 1),
            "frames": learner.frames,
            "updates": learner.updates,
            "fps": round((learner.frames - self._recorded_frames) / interval, 1),
            "run_share": learner.run_share,
            "learning_rate": learner.learning_rate,
            **self._of_last,
            "entropy": statistics.entropy,
            "losses": statistics.losses,
            "waits": {peer: round(seconds / interval, 3) for peer, seconds in waits.items()},
        }
        if statistics.losses:  # there are none while the discriminator learns alone
            self.saturation.note(now, statistics.entropy, statistics.losses["gradient_norm"])
            record["saturated"] = dict(self.saturation.seconds)
            for sentence in self._warnings.due(self.saturation.seconds):
                _log.warning("%s", sentence)
        # Set before writing: if that fails, the next attempt is after the interval, and checkpoints come in between.
        self._recorded_at, self._recorded_frames = now, learner.frames
        self._history.write(record)
        return record
