"""The progress in a run's newest checkpoint, read without torch."""

from __future__ import annotations

from dataclasses import dataclass

from spiral.runs.directory import Run
from spiral.runs.manifests import checkpoints_in, parse_json, read_verified


@dataclass(frozen=True, slots=True)
class CheckpointCounters:
    """The progress that the learner continues from."""

    frames: int = 0
    updates: int = 0
    held: int = 0
    """Batches from which only the discriminator has learned."""
    run_share: float = 0.0
    """Share of the run that its schedules have reached, 0 to 1."""
    elapsed_s: float = 0.0
    """Seconds of training over all starts."""
    readable: bool = True
    """False if there are checkpoints but none is whole; then nothing is known."""

    @property
    def nothing(self) -> bool:
        """Whether no learning is known, so that nothing is lost with the checkpoints."""
        return self.readable and not (self.frames or self.updates or self.held)


NOTHING_LEARNT = CheckpointCounters()


def read_checkpoint_counters(run: Run) -> CheckpointCounters:
    """Counters of the learner's newest whole checkpoint; damaged ones are skipped, as the learner does."""
    folder = run.checkpoints("learner")
    paths = checkpoints_in(folder) if folder.is_dir() else []
    for path in reversed(paths):
        try:
            counters = parse_json(read_verified(path)["counters.json"])
            return CheckpointCounters(
                int(counters["frames"]),
                int(counters.get("updates", 0)),
                int(counters.get("held", 0)),
                float(counters.get("schedule", {}).get("share", 0)),
                float(counters.get("elapsed_s", 0)),
            )
        except (OSError, ValueError, KeyError, AttributeError, TypeError):
            continue
    return CheckpointCounters(readable=not paths)
