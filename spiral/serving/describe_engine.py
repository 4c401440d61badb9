"""Asks a renderer what its engine understands and shows: the one place for actor and learner."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import grpc

from spiral.configuration.schema import EngineConfig
from spiral.engines.description import EngineDescription
from spiral.serving.service import Serving
from spiral.v1.renderer_pb2 import DescribeEngineRequest, DescribeEngineResponse
from spiral.v1.renderer_pb2_grpc import RendererServiceStub
from spiral.wire.contract import description_from_proto, settings_to_proto
from spiral.wire.error_reasons import reason
from spiral.wire.reconnecting import ReconnectingChannel
from spiral.wire.rpc import connect
from spiral.wire.tls import Identity

DEADLINE_S = 5.0
"""Of one try to reach a renderer; it is tried until the service is stopped."""
PAUSE_S = 0.5
"""Between two tries, and between two looks at the clock while one is under way."""
SLOW_WAIT_S = 10.0
"""A wait of this length is worth a line in the log."""
REFUSED = (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.FAILED_PRECONDITION)
"""These settings are not for this renderer, or what the engine needs is not installed there."""

_log = logging.getLogger(__name__)


class StoppedError(Exception):
    """The service was asked to stop while it waited."""


def describe_engine(
    engine: EngineConfig,
    address: str,
    identity: Identity | None,
    serving: Serving,
    waited: Callable[[float], object] = lambda seconds: None,
) -> EngineDescription:
    """Ask the renderer at ``address``, until it answers; ``waited`` is told of the seconds as they pass.

    ValueError, with a sentence, where it refuses the settings or its answer makes no sense; StoppedError where the
    service is to end.
    """
    request = DescribeEngineRequest(engine=settings_to_proto(engine.name, engine.settings))
    logged_at = counted_until = time.monotonic()

    def beat() -> None:
        nonlocal counted_until
        serving.tick()
        before, counted_until = counted_until, time.monotonic()
        waited(counted_until - before)

    with serving.info.waiting("renderer"), ReconnectingChannel(lambda: connect(address, identity)) as renderer:
        while not serving.stopping.is_set():
            beat()
            try:
                return description_from_proto(_ask(renderer.channel, request, serving, beat))
            except grpc.RpcError as error:
                if error.code() in REFUSED:
                    raise ValueError(f"engine: the renderer refuses: {error.details()}") from error
                if time.monotonic() - logged_at >= SLOW_WAIT_S:
                    logged_at = time.monotonic()
                    _log.warning("waiting for the renderer at %s: %s", address, reason(error))
                renderer.failed()
                serving.stopping.wait(PAUSE_S)
    raise StoppedError


def _ask(
    channel: grpc.Channel, request: DescribeEngineRequest, serving: Serving, beat: Callable[[], None]
) -> DescribeEngineResponse:
    """One try, which ends early where the service is to end."""
    call = RendererServiceStub(channel).DescribeEngine.future(request, timeout=DEADLINE_S)
    while True:
        try:
            answer: DescribeEngineResponse = call.result(timeout=PAUSE_S)
            return answer
        except grpc.FutureTimeoutError:
            beat()
            if serving.stopping.is_set():
                call.cancel()
                raise StoppedError from None
