"""Ask a renderer what its engine understands and shows; actor and learner both do it here."""

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
"""Deadline of one attempt to reach a renderer; attempts go on until the service is stopped."""
PAUSE_S = 0.5
"""Pause between two attempts, and between two looks at the clock during one."""
SLOW_WAIT_S = 10.0
"""A wait this long gets a line in the log."""
REFUSED = (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.FAILED_PRECONDITION)
"""This renderer does not take these settings, or something that the engine needs is not installed there."""

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
    """Ask the renderer at ``address`` until it answers; ``waited`` is called with the seconds as they pass.

    Raises ValueError, with a sentence, if it refuses the settings or its answer makes no sense; StoppedError if the
    service was asked to stop.
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
    """Make one attempt, which ends early if the service is asked to stop."""
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
