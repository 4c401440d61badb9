"""The actor's options."""

from __future__ import annotations

from pydantic import Field

from spiral.serving.options import Address, DataOptions
from spiral.wire.edges import PORTS


class ActorOptions(DataOptions):
    """The actor paints with the newest weights and sends its trajectories to the learner."""

    listen: Address = f"127.0.0.1:{PORTS['actor']}"
    """Address of its gRPC server, which answers GetInfo and health: host:port (port 0: a free one) or unix:/path."""
    grace_s: float = Field(5.0, ge=0, le=600)
    """Seconds that calls in progress have to end after SIGTERM; unfinished episodes are dropped and counted."""
    actor_id: str = Field("", max_length=64)
    """Name of this actor in the learner's log. Empty: the host's name."""
    threads: int = Field(1, ge=1, le=256)
    """Threads for the policy's inference."""
    stream_life_s: float = Field(20.0, gt=0)
    """Age in seconds, give or take a quarter, at which a stream to a renderer is replaced between two episodes, so
    that new renderers get work."""
    watchdog_s: float = Field(10.0, gt=0)
    """Longest wait for the renderer's answer, seconds; then the stream is given up."""
    deadline_s: float = Field(30.0, gt=0)
    """Longest wait for weights or targets, seconds; then the actor asks again."""
