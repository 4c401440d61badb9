"""Our services in this process, as targets of the suite that need no start of an interpreter."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from services.renderer.__main__ import ENGINES
from services.renderer.options import RendererOptions
from services.renderer.servicer import Renderer
from services.renderer.streams import Streams
from spiral.conformance.renderer.subject import RendererTarget
from spiral.metrics import new_metrics
from spiral.serving import Serving
from spiral.v1.renderer_pb2_grpc import add_RendererServiceServicer_to_server

MAX_STREAMS = 3
SETTINGS = '{"grid": 8, "view": 32}'


@contextmanager
def hosted_renderer(
    address: str,
    servicer: Callable[..., Renderer] = Renderer,
    streams: Callable[[int], Streams] = Streams,
    prepare: Callable[[Serving], object] = lambda serving: None,
) -> Iterator[RendererTarget]:
    """A renderer at ``address``; ``servicer``, ``streams`` and ``prepare`` let a mutant in."""
    options = RendererOptions(listen=address, max_streams=MAX_STREAMS, log_level="error", grace_s=0)
    metrics = new_metrics("renderer")
    rest: dict[str, Any] = {"capabilities": ("render",), "max_streams": MAX_STREAMS, "workers": MAX_STREAMS + 8}
    with Serving("renderer", options, metrics, **rest) as serving:
        serving.info.engines = ENGINES
        made = servicer(streams(MAX_STREAMS), 1, metrics, 60.0, draining=serving.stopping.is_set)
        add_RendererServiceServicer_to_server(made, serving.server)
        prepare(serving)
        serving.start()
        target = RendererTarget("renderer", serving.server.address, settings_json=SETTINGS)
        yield target
        target.close()
