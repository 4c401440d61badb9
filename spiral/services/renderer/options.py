"""The renderer's options."""

from __future__ import annotations

from pydantic import Field

from spiral.serving.options import Address, ServiceOptions
from spiral.wire.edges import PORTS


class RendererOptions(ServiceOptions):
    """The renderer runs graphics engines for actors."""

    listen: Address = f"127.0.0.1:{PORTS['renderer']}"
    """Address of its gRPC server: host:port (port 0: a free one) or unix:/path."""
    max_streams: int = Field(16, ge=1, le=1024)
    """Most Rollout and Render calls at a time; more are refused with RESOURCE_EXHAUSTED."""
    idle_s: float = Field(120.0, gt=0)
    """Seconds that the client of a Rollout stream may be silent; then the stream is ended and its canvases are freed.
    This is far longer than an actor pauses within an episode; an actor that waits longer between two episodes loses
    nothing and opens a new stream."""
    work_s: float = Field(300.0, gt=0)
    """Longest time of one step of a Rollout stream, or of a whole Render, seconds; then the call is ended. If the
    engine does not return, the renderer exits, too."""
    threads: int = Field(1, ge=1, le=256)
    """Threads that step the canvases of one stream."""
