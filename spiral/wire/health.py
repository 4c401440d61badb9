"""The standard health service, and whether the main loop is alive."""

from __future__ import annotations

import time
from collections.abc import Callable

import grpc
from grpc_health.v1 import health, health_pb2

LIVENESS = "liveness"
"""The health service's name for whether the main loop ticks; the empty name and the services' own names say whether
calls are answered."""
# A learner's longest step, with its checkpoint on a slow disk, is far shorter.
TICK_LIMIT_S = 60.0


class Health(health.HealthServicer):  # type: ignore[misc]  # it comes without types
    """Health of a process: readiness is set per service; liveness follows from the last tick of the main loop."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self.tick()
        self.set("", health_pb2.HealthCheckResponse.NOT_SERVING)

    def tick(self) -> None:
        """Report that the main loop is alive."""
        self._ticked = self._clock()

    def serve(self, names: list[str]) -> None:
        """Report from now on that calls are answered, also those of the services ``names``."""
        for name in ("", *names):
            self.set(name, health_pb2.HealthCheckResponse.SERVING)

    def Check(  # noqa: N802  (gRPC's name)
        self, request: health_pb2.HealthCheckRequest, context: grpc.ServicerContext
    ) -> health_pb2.HealthCheckResponse:
        """Answer a probe."""
        if request.service != LIVENESS:
            return super().Check(request, context)
        alive = self._clock() - self._ticked < TICK_LIMIT_S
        status = health_pb2.HealthCheckResponse.SERVING if alive else health_pb2.HealthCheckResponse.NOT_SERVING
        return health_pb2.HealthCheckResponse(status=status)
