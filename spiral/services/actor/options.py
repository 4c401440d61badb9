"""The actor's options."""

from __future__ import annotations

from pydantic import Field

from spiral.serving.options import Address, DataOptions
from spiral.wire.edges import PORTS


class ActorOptions(DataOptions):
    """The actor: paints with the newest weights and sends what it painted to the learner."""

    listen: Address = f"127.0.0.1:{PORTS['actor']}"
    """Address of its gRPC server, which answers GetInfo and health: host:port (port 0: a free one) or unix:/path."""
    grace_s: float = Field(5.0, ge=0, le=600)
    """Time that calls under way have to end after SIGTERM, seconds; episodes under way are dropped and counted."""
    actor_id: str = Field("", max_length=64)
    """Name of this actor in the learner's log; empty: the host's name."""
    threads: int = Field(1, ge=1, le=256)
    """Threads of the policy's inference."""
    stream_life_s: float = Field(20.0, gt=0)
    """Age at which a stream to a renderer is replaced, at the next episode border, give or take a quarter, seconds;
    so that new renderers get work."""
    watchdog_s: float = Field(10.0, gt=0)
    """Longest wait for an answer of the renderer, seconds; then the stream is given up."""
    deadline_s: float = Field(30.0, gt=0)
    """Longest wait for weights or targets, seconds; then it asks again."""
