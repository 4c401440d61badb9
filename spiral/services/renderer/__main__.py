"""Start the renderer: ``python -m spiral.services.renderer --listen unix:/run/spiral/renderer.sock``."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence

from spiral.engines import EngineMissingError, create
from spiral.engines.registry import names
from spiral.services.renderer.options import RendererOptions
from spiral.services.renderer.overruns import Overruns
from spiral.services.renderer.servicer import Renderer
from spiral.services.renderer.stream_limit import Streams
from spiral.serving.metrics import new_metrics
from spiral.serving.options import StartError, run
from spiral.serving.service import Serving
from spiral.v1.renderer_pb2_grpc import add_RendererServiceServicer_to_server

# Every stream holds a thread of the server; these extra threads serve everything else, above all health checks.
SPARE_THREADS = 8
_log = logging.getLogger(__name__)


def find_engines() -> tuple[list[str], list[str]]:
    """Names of the engines that run here, and a sentence about each that does not."""
    engines, missing = [], []
    for name in names():
        try:
            create(name, {})
            engines.append(name)
        except EngineMissingError as error:
            missing.append(str(error))
        except Exception as error:  # a foreign engine may raise anything
            missing.append(f'engine "{name}": {type(error).__name__}: {error}')
    return engines, missing


def serve(options: RendererOptions) -> int:
    """Serve until asked to stop. StartError if no engine can run here."""
    engines, missing = find_engines()
    if not engines:
        raise StartError("; ".join(missing))
    metrics = new_metrics("renderer")
    with Serving(
        "renderer",
        options,
        metrics,
        capabilities=("render",),
        max_streams=options.max_streams,
        workers=options.max_streams + SPARE_THREADS,
    ) as serving:
        for sentence in missing:
            _log.warning("an engine is left out: %s", sentence)
        streams = Streams(options.max_streams)
        serving.info.engines = engines
        overruns = Overruns(options.work_s, serving.stop)
        servicer = Renderer(
            streams, options.threads, metrics, options.idle_s, overruns, draining=serving.stopping.is_set
        )
        add_RendererServiceServicer_to_server(servicer, serving.server)
        serving.start()
        serving.wait(overruns.check)
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the renderer with command-line arguments and return its exit code."""
    return run(RendererOptions, "renderer", serve, argv)


if __name__ == "__main__":
    sys.exit(main())
