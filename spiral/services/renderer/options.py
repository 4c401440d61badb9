"""What the renderer is told."""

from __future__ import annotations

from pydantic import Field

from spiral.serving.options import Address, ServiceOptions
from spiral.wire.edges import PORTS


class RendererOptions(ServiceOptions):
    """Runs graphics engines for actors."""

    listen: Address = f"127.0.0.1:{PORTS['renderer']}"
    """Address of its gRPC server: host:port (port 0: a free one) or unix:/path."""
    max_streams: int = Field(16, ge=1, le=1024)
    """Rollout and Render calls at a time; more are refused with RESOURCE_EXHAUSTED."""
    idle_s: float = Field(120.0, gt=0)
    """Longest silence of whoever has a Rollout stream, seconds; then it is ended and its canvases are freed. Far above
    the pause of an actor within an episode; one that waits longer between two loses nothing and opens another."""
    work_s: float = Field(300.0, gt=0)
    """Longest time of a step of a Rollout stream, or of a whole Render, seconds; then the call is ended, and where the
    engine does not come back, the renderer."""
    threads: int = Field(1, ge=1, le=256)
    """Threads that one stream's canvases are stepped with."""
