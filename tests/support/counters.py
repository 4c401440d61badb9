"""A checkpoint by hand, for the tests that ask how far a run is: counters and no tensor, made without torch."""

from __future__ import annotations

import hashlib
import json

from spiral.runs.directory import Run


def write_counters(run: Run, frames: int, number: int = 1, updates: int = 0, **more: object) -> None:
    """Let the run have learned so many frames."""
    folder = run.checkpoints("learner") / f"checkpoint-{number:08d}"
    folder.mkdir(parents=True)
    counters = json.dumps({"frames": frames, "updates": updates, "frames_before": 0, "held": 0, **more}).encode()
    (folder / "counters.json").write_bytes(counters)
    sums = {"counters.json": hashlib.sha256(counters).hexdigest()}
    (folder / "manifest.json").write_text(json.dumps({"format": 1, "sha256": sums}))
