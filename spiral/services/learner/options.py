"""What the learner is told at its start, beside what every service is told."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from spiral.serving.options import Address, DataOptions
from spiral.wire.edges import PORTS


class LearnerOptions(DataOptions):
    """Trains the policy from the trajectories of all actors."""

    listen: Address = f"127.0.0.1:{PORTS['learner']}"
    """Address of its gRPC server: host:port (port 0: a free one) or unix:/path."""
    run_dir: Path = Path("runs/default")
    """Directory of the run: checkpoints, history, samples."""
    limit_frames: int | None = Field(None, ge=1)
    """Frames learnt over the whole run after which it is over. Empty: no limit."""
    limit_minutes: float | None = Field(None, gt=0)
    """Minutes since this start after which it is over. Empty: no limit."""
    limit_from_s: float | None = Field(None, ge=0)
    """Seconds of training, over all starts, from which limit_minutes count. Empty: from this start."""
    schedule_from: int = Field(0, ge=0)
    """Learned frames at which what falls over the run is to begin anew: a restart that was asked for. 0: none was."""
    at_limit: Literal["serve", "exit"] = "serve"
    """At the limit: stop learning and go on serving, or write everything down and exit with 0."""
    threads: int = Field(1, ge=1, le=256)
    """Threads of a computation."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to compute; auto: cuda where there is one."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """In what to train, bf16 being mixed precision; auto: as the run began, or what is faster here."""
