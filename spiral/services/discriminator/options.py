"""The discriminator's options."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from spiral.serving.options import Address, RunOptions
from spiral.wire.edges import PORTS


class DiscriminatorOptions(RunOptions):
    """The discriminator scores pictures and learns to tell paintings from data."""

    listen: Address = f"127.0.0.1:{PORTS['discriminator']}"
    """Address of its gRPC server: host:port (port 0: a free one) or unix:/path."""
    run_dir: Path = Path("runs/default")
    """Directory of the run; its checkpoints go to checkpoints/discriminator."""
    observation_shape: str = Field("", pattern=r"^$|^[0-9]+x[0-9]+x[0-9]+$")
    """Shape of the pictures, height x width x channels, for example 32x32x1. Empty: what the configured engine shows;
    the engine must then be installed here."""
    max_batch_bytes: int = Field(256 << 20, ge=1 << 10, le=1 << 34)
    """Largest accepted batch, in bytes of observations and targets; a larger one is refused with INVALID_ARGUMENT."""
    idle_s: float = Field(120.0, gt=0)
    """Seconds that a client may be silent while it sends a batch; then the call is ended."""
    queue: int = Field(8, ge=1, le=1024)
    """Calls that may wait for the judge; more are refused with RESOURCE_EXHAUSTED."""
    threads: int = Field(1, ge=1, le=256)
    """Threads of a computation."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to compute; auto: cuda if there is one."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """Precision of training; bf16 is mixed precision. auto: the precision that the run began with; a new run measures
    which is faster here."""
