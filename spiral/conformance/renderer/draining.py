"""A renderer that is asked to end."""

from __future__ import annotations

import grpc
import numpy as np
from grpc_health.v1 import health_pb2, health_pb2_grpc

from spiral.conformance.case import case, refused, require
from spiral.conformance.process import END_S
from spiral.conformance.renderer.subject import RendererTarget, random_program, same

NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


@case("renderer", "drain")
def it_finishes_the_episodes_under_way_and_ends(renderer: RendererTarget) -> None:
    """Asked to end, it finishes the episodes under way, refuses new ones, and exits with code 0.

    Paints half a program, then sends SIGTERM (or runs ``--drain-command``). A watch of health must report NOT_SERVING;
    the rest of the program must be painted as usual; a new stream, and a reset on the old one, must end with
    UNAVAILABLE; and the process must exit with code 0. Skipped if neither ``--command`` nor ``--drain-command`` is
    given.
    """
    program = random_program(renderer.describe().spec, 4, 2, seed=91)
    right = renderer.paint(program)
    with renderer.connection() as channel, renderer.stream(2, channel) as stream:
        frames = [stream.reset(), stream.step(program[0])]
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(), timeout=END_S)
        next(watch)
        renderer.ask_to_end()
        status = next(watch).status
        require(status == NOT_SERVING, f"health says {status} after SIGTERM; expected {NOT_SERVING} (NOT_SERVING)")
        frames += [stream.step(actions) for actions in program[1:]]
        same(np.stack(frames), right, "an episode that is painted to its end")
        with refused("a new stream", grpc.StatusCode.UNAVAILABLE), renderer.stream(0, channel) as newcomer:
            newcomer.open(1)
        with refused("the next episode", grpc.StatusCode.UNAVAILABLE):
            stream.reset()
    if renderer.command is not None:
        code = renderer.command.wait()
        require(code is not None, f"it lives {END_S:g} s after SIGTERM")
        require(code == 0, f"it ended with {code}; expected 0: {renderer.command.tail()}")
