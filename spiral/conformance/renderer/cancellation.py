"""What is left of a stream that ends: nothing."""

from __future__ import annotations

import grpc

from spiral.conformance.case import case, refused
from spiral.conformance.renderer.subject import CANVASES, STREAMS, RendererTarget, random_program, settled
from spiral.conformance.target import until

BATCH = 5


@case("renderer", "cancellation")
def a_stream_that_is_ended_frees_its_canvases(renderer: RendererTarget) -> None:
    """A stream that its caller ends frees its canvases.

    Reads the gauge ``spiral_renderer_canvases``, opens 5 canvases (the gauge must rise by 5), paints, ends its side,
    and waits for the gauge to return to its start. Skipped if there are no metrics.
    """
    start = settled(renderer, CANVASES)
    with renderer.stream(BATCH) as stream:
        stream.paint(random_program(renderer.describe().spec, 2, BATCH, seed=61))
        _await(renderer, CANVASES, start + BATCH, "with 5 canvases open")
        stream.finish()
    _await(renderer, CANVASES, start, "after the stream was ended")


@case("renderer", "cancellation")
def a_stream_that_is_cancelled_frees_its_canvases(renderer: RendererTarget) -> None:
    """A stream that is cancelled frees its canvases.

    Opens 5 canvases, paints, cancels the call, and waits for ``spiral_renderer_canvases`` and
    ``spiral_renderer_streams`` to return to their start. Skipped if there are no metrics.
    """
    canvases, streams = settled(renderer, CANVASES), settled(renderer, STREAMS)
    with renderer.stream(BATCH) as stream:
        stream.paint(random_program(renderer.describe().spec, 2, BATCH, seed=62))
        stream.cancel()
    _await(renderer, CANVASES, canvases, "after a cancellation")
    _await(renderer, STREAMS, streams, "after a cancellation")


@case("renderer", "cancellation")
def a_deadline_ends_a_stream_and_frees_its_canvases(renderer: RendererTarget) -> None:
    """A deadline ends a stream and frees its canvases.

    Opens 5 canvases on a stream with a deadline of two seconds and says nothing more. The stream must end with
    DEADLINE_EXCEEDED, and ``spiral_renderer_canvases`` must return to its start. Skipped if there are no metrics.
    """
    start = settled(renderer, CANVASES)
    with (
        refused("a stream beyond its deadline", grpc.StatusCode.DEADLINE_EXCEEDED),
        renderer.stream(BATCH, deadline_s=2.0) as stream,
    ):
        stream.next()
    _await(renderer, CANVASES, start, "after a deadline")


@case("renderer", "cancellation")
def a_connection_that_ends_frees_its_canvases(renderer: RendererTarget) -> None:
    """A connection that ends frees the canvases of its streams.

    Opens 5 canvases over a connection of its own, paints, and closes the connection under the stream.
    ``spiral_renderer_canvases`` must return to its start. Skipped if there are no metrics.
    """
    start = settled(renderer, CANVASES)
    with renderer.connection() as channel, renderer.stream(BATCH, channel) as stream:
        stream.reset()
        channel.close()
        _await(renderer, CANVASES, start, "after the connection was closed")


@case("renderer", "cancellation")
def a_refused_stream_frees_its_canvases(renderer: RendererTarget) -> None:
    """A stream that is refused in the middle frees its canvases.

    Opens 5 canvases and sends a step for one. After INVALID_ARGUMENT, ``spiral_renderer_canvases`` must return to its
    start. Skipped if there are no metrics.
    """
    start = settled(renderer, CANVASES)
    with (
        refused("1 action for 5 canvases", grpc.StatusCode.INVALID_ARGUMENT),
        renderer.stream(BATCH) as stream,
    ):
        stream.step(random_program(renderer.describe().spec, 1, 1, seed=63)[0])
    _await(renderer, CANVASES, start, "after a refusal")


def _await(renderer: RendererTarget, name: str, value: float, when: str) -> None:
    until(lambda: renderer.gauge(name) == value, f"{name} to be {value:g} {when} (it is {renderer.gauge(name):g})")
