"""What the discriminator is told at its start, beside what every service is told."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from spiral.serving.options import Address, RunOptions
from spiral.wire.edges import PORTS


class DiscriminatorOptions(RunOptions):
    """Judges pictures and learns to tell paintings from data."""

    listen: Address = f"127.0.0.1:{PORTS['discriminator']}"
    """Address of its gRPC server: host:port (port 0: a free one) or unix:/path."""
    run_dir: Path = Path("runs/default")
    """Directory of the run: its checkpoints are in checkpoints/discriminator."""
    observation_shape: str = Field("", pattern=r"^$|^[0-9]+x[0-9]+x[0-9]+$")
    """Pictures to judge, height x width x channels, for example 32x32x1. Empty: what the configured engine shows,
    for which the engine has to be installed here."""
    max_batch_bytes: int = Field(256 << 20, ge=1 << 10, le=1 << 34)
    """Largest batch accepted, bytes of observations and targets; a larger one is refused with INVALID_ARGUMENT."""
    idle_s: float = Field(120.0, gt=0)
    """Longest silence of whoever is sending a batch, seconds; then the call is ended."""
    queue: int = Field(8, ge=1, le=1024)
    """Calls that may wait for the model; more are refused with RESOURCE_EXHAUSTED."""
    threads: int = Field(1, ge=1, le=256)
    """Threads of a computation."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to compute; auto: cuda where there is one."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """In what to train, bf16 being mixed precision; auto: as the run began, or what is faster here."""
