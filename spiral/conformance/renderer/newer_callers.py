"""Callers of a newer minor version."""

from __future__ import annotations

from grpc import StatusCode

from spiral.conformance.case import case, refused, require
from spiral.conformance.every.identity import UNKNOWN_FIELD
from spiral.conformance.renderer.subject import RendererTarget, random_program, step_request
from spiral.v1.renderer_pb2 import OpenCanvases, ResetCanvases, RolloutRequest


@case("renderer", "compatibility")
def unknown_fields_on_a_stream_are_ignored(renderer: RendererTarget) -> None:
    """What a newer minor version adds to the requests of a stream is ignored.

    Opens, resets and steps with an unknown field (number 1999) in each request and in each message within. The
    observations must be those without them.
    """
    program = random_program(renderer.describe().spec, 1, 2, seed=81)
    right = renderer.paint(program)
    opened = OpenCanvases.FromString(OpenCanvases(engine=renderer.engine, batch=2).SerializeToString() + UNKNOWN_FIELD)
    requests = [
        RolloutRequest(open=opened),
        RolloutRequest(reset=ResetCanvases.FromString(UNKNOWN_FIELD)),
        step_request(program[0]),
    ]
    with renderer.stream() as stream:
        answers = [
            stream.ask(RolloutRequest.FromString(request.SerializeToString() + UNKNOWN_FIELD)) for request in requests
        ]
    for answer, frame in zip(answers[1:], right, strict=True):
        require(answer.observations.data == frame.tobytes(), "unknown fields change the pictures")


@case("renderer", "compatibility")
def a_request_of_a_newer_kind_is_refused(renderer: RendererTarget) -> None:
    """A request of a kind that only a newer version has is refused like an empty one.

    Opens a stream and sends a request whose only field is unknown (number 1999). It must end with INVALID_ARGUMENT.
    """
    with refused("a request of a newer kind", StatusCode.INVALID_ARGUMENT), renderer.stream(1) as stream:
        stream.ask(RolloutRequest.FromString(UNKNOWN_FIELD))
