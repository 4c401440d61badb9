"""More streams than there are places."""

from __future__ import annotations

from contextlib import ExitStack

import grpc

from spiral.conformance.case import Skip, case, refused, require
from spiral.conformance.every.health import health_says_serving
from spiral.conformance.renderer.subject import RendererTarget, Stream
from spiral.conformance.target import until

RETRY = "grpc-retry-pushback-ms"
MOST_STREAMS = 256
"""Beyond this the suite would measure itself."""


@case("renderer", "back-pressure")
def one_stream_too_many_is_refused(renderer: RendererTarget) -> None:
    """A stream beyond ``max_streams`` is refused, and told when to ask again.

    Opens as many streams as ``GetInfo`` says, and one more. That last one must end with RESOURCE_EXHAUSTED and the
    trailing metadata ``grpc-retry-pushback-ms``, a whole number above 0; all others must continue.
    """
    with ExitStack() as stack:
        streams = _fill(renderer, stack)
        with renderer.stream() as extra:
            with refused("one stream too many", grpc.StatusCode.RESOURCE_EXHAUSTED):
                extra.open(1)
            told = extra.trailing_metadata.get(RETRY, "")
        require(told.isdecimal() and int(told) > 0, f'{RETRY} is "{told}"; expected milliseconds above 0')
        for stream in streams:
            stream.reset()


@case("renderer", "back-pressure")
def health_and_info_answer_while_all_places_are_taken(renderer: RendererTarget) -> None:
    """Health, GetInfo and DescribeEngine are answered while all places are taken.

    Opens as many streams as ``GetInfo`` says. Health must say SERVING, and ``GetInfo`` and ``DescribeEngine`` must
    answer.
    """
    with ExitStack() as stack:
        _fill(renderer, stack)
        health_says_serving.run(renderer)
        require(renderer.info.service == "renderer", "GetInfo answers something else while all places are taken")
        renderer.describe()


@case("renderer", "back-pressure")
def a_place_that_is_given_back_can_be_taken(renderer: RendererTarget) -> None:
    """The places of streams that ended, were cancelled or failed can be taken again.

    Takes all places three times over; the streams of each round are ended, cancelled or refused (a batch of 0). Each
    round must find all places free, within the deadline.
    """
    for leave in ("ended", "cancelled", "refused"):
        with ExitStack() as stack:
            for stream in _fill(renderer, stack):
                if leave == "ended":
                    stream.finish()
                elif leave == "cancelled":
                    stream.cancel()
                else:
                    with refused("a second open", grpc.StatusCode.INVALID_ARGUMENT):
                        stream.open(1)
    with ExitStack() as stack:
        _fill(renderer, stack)


def _fill(renderer: RendererTarget, stack: ExitStack) -> list[Stream]:
    """Take all places, waiting for those that others are leaving."""
    places = renderer.info.max_streams
    if places > MOST_STREAMS:
        raise Skip(f"max_streams is {places}; the suite opens at most {MOST_STREAMS}")
    channel = stack.enter_context(renderer.connection())

    def place() -> Stream | None:
        stream = Stream(channel, renderer.engine)
        try:
            stream.open(1)
        except grpc.RpcError as error:
            if error.code() != grpc.StatusCode.RESOURCE_EXHAUSTED:
                raise
            return None
        stack.callback(stream.cancel)
        return stream

    return [until(place, f"place {number + 1} of {places}") for number in range(places)]  # type: ignore[misc]
