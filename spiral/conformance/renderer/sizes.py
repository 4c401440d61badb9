"""Messages that are large, and those that are too large."""

from __future__ import annotations

import math

import grpc
import numpy as np

from spiral.conformance.case import Skip, case, refused, require
from spiral.conformance.every.identity import USUAL_MESSAGE_BYTES
from spiral.conformance.renderer.opening import MAX_BATCH
from spiral.conformance.renderer.subject import RendererTarget, Stream, random_program, same
from spiral.conformance.target import DEADLINE_S
from spiral.v1.renderer_pb2 import RolloutRequest, StepCanvases
from spiral.v1.tensor_pb2 import DataType, Tensor
from spiral.wire.rpc import client_options

HEADER_BYTES = 1024
LARGEST_TRIED_BYTES = 256 << 20


@case("renderer", "size")
def a_message_above_4_mib_is_answered_where_declared(renderer: RendererTarget) -> None:
    """A response above gRPC's usual 4 MiB arrives whole if ``max_message_bytes`` allows it.

    Opens the smallest batch whose observations exceed 4 MiB and paints one action. Each canvas's observation must be
    that of the same action on a canvas alone. Skipped if 4,096 observations are smaller than that, or the declared
    limit is.
    """
    described = renderer.describe()
    each = math.prod(described.observation_shape)
    batch = USUAL_MESSAGE_BYTES // each + 1
    limit = renderer.info.max_message_bytes
    if batch > MAX_BATCH or batch * each + HEADER_BYTES > limit:
        raise Skip(f"{min(batch, MAX_BATCH)} observations of {each} bytes are no message above 4 MiB within {limit}")
    action = random_program(described.spec, 1, 1, seed=71)[0]
    right = renderer.paint(action[np.newaxis])[1, 0]
    with renderer.stream(batch) as stream:
        blank = stream.reset()
        require(blank.nbytes == batch * each, f"{blank.nbytes} bytes for {batch} observations of {each}")
        painted = stream.step(np.repeat(action, batch, axis=0))
    same(painted, np.repeat(right[np.newaxis], batch, axis=0), f"{batch} equal canvases")


@case("renderer", "size")
def a_batch_that_no_message_holds_is_refused(renderer: RendererTarget) -> None:
    """A batch whose observations fit into no message is refused when it is opened.

    Opens the smallest batch whose observations exceed ``max_message_bytes``. It must end with INVALID_ARGUMENT, and the
    details must name ``batch``. Skipped if 4,096 observations fit.
    """
    each, limit = math.prod(renderer.describe().observation_shape), renderer.info.max_message_bytes
    batch = limit // each + 1
    if batch > MAX_BATCH:
        raise Skip(f"4,096 observations of {each} bytes fit into a message of {limit}")
    with refused(f"batch {batch}", grpc.StatusCode.INVALID_ARGUMENT, "batch"), renderer.stream() as stream:
        stream.open(batch)


@case("renderer", "size")
def a_request_above_the_limit_is_refused_cleanly(renderer: RendererTarget) -> None:
    """A request above ``max_message_bytes`` is refused, and the renderer keeps running.

    Sends, over a connection of its own, a step a little larger than ``max_message_bytes``. The call must end with
    RESOURCE_EXHAUSTED or INVALID_ARGUMENT, and a program must be painted afterwards as before.
    """
    limit = renderer.info.max_message_bytes
    if limit > LARGEST_TRIED_BYTES:
        raise Skip(f"max_message_bytes is {limit}; the suite sends at most {LARGEST_TRIED_BYTES}")
    program = random_program(renderer.describe().spec, 2, 2, seed=72)
    before = renderer.paint(program)
    tensor = Tensor(dtype=DataType.DATA_TYPE_INT32, shape=(limit // 4, 1), data=bytes(limit))
    too_large = RolloutRequest(step=StepCanvases(actions=tensor))
    options = [(k, v) for k, v in client_options(renderer.address) if k != "grpc.max_send_message_length"]
    options.append(("grpc.max_send_message_length", -1))
    with _channel(renderer, options) as channel:
        stream = Stream(channel, renderer.engine, DEADLINE_S)
        stream.open(1)
        try:
            stream.ask(too_large)
        except grpc.RpcError as error:
            code = error.code()
            right = (grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.INVALID_ARGUMENT)
            require(code in right, f"a request above the limit: {code.name}; expected RESOURCE_EXHAUSTED")
        else:
            require(False, "a request above the limit: accepted; expected RESOURCE_EXHAUSTED")
    same(renderer.paint(program), before, "after a request above the limit")


def _channel(renderer: RendererTarget, options: list[tuple[str, object]]) -> grpc.Channel:
    if renderer.identity is not None:
        return grpc.secure_channel(renderer.address, renderer.identity.channel(), options)
    return grpc.insecure_channel(renderer.address, options)
