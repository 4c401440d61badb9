"""The learner's options."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from spiral.serving.options import Address, DataOptions
from spiral.wire.edges import PORTS


class LearnerOptions(DataOptions):
    """The learner trains the policy from the trajectories of all actors."""

    listen: Address = f"127.0.0.1:{PORTS['learner']}"
    """Address of its gRPC server: host:port (port 0: a free one) or unix:/path."""
    run_dir: Path = Path("runs/default")
    """Directory of the run: checkpoints, history, samples."""
    limit_frames: int | None = Field(None, ge=1)
    """The run ends after this many learned frames over all starts. Empty: no limit."""
    limit_minutes: float | None = Field(None, gt=0)
    """The run ends this many minutes after this start. Empty: no limit."""
    limit_from_s: float | None = Field(None, ge=0)
    """Seconds of training, over all starts, from which limit_minutes counts. Empty: from this start."""
    schedule_from: int = Field(0, ge=0)
    """Learned frames at which schedules over the run begin again, if a restart was asked for. 0: no restart."""
    at_limit: Literal["serve", "exit"] = "serve"
    """What to do at the limit. serve: stop learning and keep serving; exit: save everything and exit with 0."""
    threads: int = Field(1, ge=1, le=256)
    """Threads of a computation."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to compute; auto: cuda if there is one."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """Precision of training; bf16 is mixed precision. auto: the precision that the run began with; a new run measures
    which is faster here."""
