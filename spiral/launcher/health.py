"""Asks the services of a run for their health and never waits for an answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from spiral.wire.rpc import connect

ANSWER_S = 10.0
"""Deadline of an answer; a machine that swaps can take seconds."""
EVERY_S = 0.5
"""Pause between requests to one service."""


class HealthChecks:
    """The standard health check of several services, one request per service at a time."""

    def __init__(self, addresses: Mapping[str, str], clock: Callable[[], float]) -> None:
        self._channels = {name: connect(address) for name, address in addresses.items()}
        self._stubs = {name: health_pb2_grpc.HealthStub(channel) for name, channel in self._channels.items()}
        self._asked: dict[str, tuple[float, grpc.Future[health_pb2.HealthCheckResponse]]] = {}
        self._clock = clock

    def serving(self, name: str) -> bool | None:
        """The newest answer since the last call: True for SERVING, False for any other, None for no news."""
        if name not in self._asked:
            self._ask(name)
        asked_s, question = self._asked[name]
        if not question.done() or self._clock() - asked_s < EVERY_S:
            return None
        self._ask(name)
        try:
            return bool(question.result().status == health_pb2.HealthCheckResponse.SERVING)
        except (grpc.RpcError, grpc.FutureCancelledError):
            return None

    def forget(self, name: str) -> None:
        """Drop the pending request, which the predecessor would answer."""
        if name in self._asked:
            self._asked.pop(name)[1].cancel()

    def channel(self, name: str) -> grpc.Channel:
        """The connection to a service, for other requests."""
        return self._channels[name]

    def close(self) -> None:
        """End all connections."""
        for channel in self._channels.values():
            with suppress(Exception):
                channel.close()

    def _ask(self, name: str) -> None:
        question = self._stubs[name].Check.future(health_pb2.HealthCheckRequest(), timeout=ANSWER_S)
        self._asked[name] = (self._clock(), question)
