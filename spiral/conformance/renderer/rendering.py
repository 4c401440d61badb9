"""Whole programs at any scale: the capability ``render``."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from grpc import StatusCode
from numpy.typing import NDArray

from spiral.conformance.case import case, refused, require
from spiral.conformance.every.identity import UNKNOWN_FIELD
from spiral.conformance.renderer.subject import RendererTarget, pixels, random_program, same
from spiral.conformance.target import DEADLINE_S
from spiral.v1.program_pb2 import EngineSettings, Program
from spiral.v1.renderer_pb2 import RenderRequest, RenderResponse
from spiral.v1.tensor_pb2 import DataType, Tensor
from spiral.wire.tensors import encode

MAX_ACTIONS, MAX_SCALE = 10_000, 16


@case("renderer", "semantics", "extended", capability="render")
def observations_are_area_averages_of_the_canvas(renderer: RendererTarget) -> None:
    """An observation is the exact area average of the canvas, half rounded up.

    Paints a program of 6 actions on a stream and renders the same program with every frame. Each observation must be
    the mean of the canvas's pixels under it, rounded half up; where the two have the same size, the canvas itself.
    """
    described = renderer.describe()
    program = random_program(described.spec, 6, 1, seed=51)
    observations = renderer.paint(program, (3,))[1:, 0]
    answers = _render(renderer, program[:, 0], every=1, seed=3)
    require(len(answers) == 6, f"{len(answers)} frames of 6 actions with every = 1")
    for number, answer in enumerate(answers):
        canvas = pixels(answer.frame, axes=3)
        require(
            canvas.shape == described.canvas_shape,
            f"a frame has the shape {list(canvas.shape)}; expected {list(described.canvas_shape)}",
        )
        same(observations[number], area_average(canvas, described.observation_shape), f"observation {number + 1}")


@case("renderer", "semantics", "extended", capability="render")
def every_kth_frame_and_the_last_are_rendered(renderer: RendererTarget) -> None:
    """Every k-th frame and the last one are rendered.

    Renders 7 actions with ``every`` 0, 1, 3, 7 and 100. ``step`` must be [7], [1 … 7], [3, 6, 7], [7] and [7], and
    each frame must be that of ``every`` = 1 at its step.
    """
    actions = random_program(renderer.describe().spec, 7, 1, seed=52)[:, 0]
    whole = _render(renderer, actions, every=1)
    for every, steps in ((0, [7]), (1, [1, 2, 3, 4, 5, 6, 7]), (3, [3, 6, 7]), (7, [7]), (100, [7])):
        answers = _render(renderer, actions, every=every)
        found = [answer.step for answer in answers]
        require(found == steps, f"every = {every}: steps {found}; expected {steps}")
        for answer in answers:
            right = whole[answer.step - 1].frame
            require(answer.frame == right, f"every = {every}: frame {answer.step} is not that of every = 1")


@case("renderer", "semantics", "extended", capability="render")
def a_program_is_rendered_at_every_scale(renderer: RendererTarget) -> None:
    """A program is rendered at every scale.

    Renders 4 actions at the scales 0, 1, 2, 3 and 16. Scale 0 must be scale 1, and each frame's sides must be the
    canvas's times the scale.
    """
    height, width, channels = renderer.describe().canvas_shape
    actions = random_program(renderer.describe().spec, 4, 1, seed=53)[:, 0]
    (plain,) = _render(renderer, actions, scale=0)
    for scale in (1, 2, 3, MAX_SCALE):
        (answer,) = _render(renderer, actions, scale=scale)
        shape, right = list(answer.frame.shape), [height * scale, width * scale, channels]
        require(shape == right, f"scale {scale}: the frame has the shape {shape}; expected {right}")
        if scale == 1:
            require(answer.frame == plain.frame, "scale 0 is not scale 1")


@case("renderer", "validation", "extended", capability="render")
def a_scale_out_of_range_is_refused(renderer: RendererTarget) -> None:
    """A scale above 16 is refused.

    Renders at the scales 17 and 2³² − 1. Each must end with INVALID_ARGUMENT, and the details must name ``scale``.
    """
    actions = random_program(renderer.describe().spec, 1, 1, seed=54)[:, 0]
    for scale in (MAX_SCALE + 1, (1 << 32) - 1):
        with refused(f"scale {scale}", StatusCode.INVALID_ARGUMENT, "scale"):
            _render(renderer, actions, scale=scale)


@case("renderer", "validation", "extended", capability="render")
def a_program_that_is_none_is_refused(renderer: RendererTarget) -> None:
    """A program that is missing, empty, too long or for another engine is refused.

    Renders no program, a program without actions, one of 0 actions, one of 10,001, one for the engine
    ``no-such-engine``, and one of another shape. Each must end with INVALID_ARGUMENT and details that name ``engine``
    or ``actions``.
    """
    components = len(renderer.describe().spec)
    wrong: dict[str, tuple[str, RenderRequest]] = {
        "no program": ("engine", RenderRequest()),
        "a program without actions": ("actions", RenderRequest(program=Program(engine=renderer.engine))),
        "0 actions": ("actions", _request(renderer, np.zeros((0, components), np.int32))),
        "10,001 actions": ("actions", _request(renderer, np.zeros((MAX_ACTIONS + 1, components), np.int32))),
        "another shape": ("actions", _request(renderer, np.zeros((2, components + 1), np.int32))),
    }
    foreign = _request(renderer, np.zeros((1, components), np.int32))
    foreign.program.engine.CopyFrom(EngineSettings(engine="no-such-engine"))
    wrong["an unknown engine"] = ("engine", foreign)
    short = _request(renderer, np.zeros((2, components), np.int32))
    short.program.actions.CopyFrom(Tensor(dtype=DataType.DATA_TYPE_INT32, shape=(2, components), data=b"123"))
    wrong["bytes that do not fit"] = ("actions", short)
    for what, (name, request) in wrong.items():
        with refused(what, StatusCode.INVALID_ARGUMENT, name):
            list(renderer.stub.Render(request, timeout=DEADLINE_S))


@case("renderer", "validation", "extended", capability="render")
def a_program_out_of_range_is_refused(renderer: RendererTarget) -> None:
    """A program with a component out of its range is refused before anything is painted.

    Renders every frame of 3 actions; the last action has a component at its size, which is out of range. It must end
    with INVALID_ARGUMENT that names the component, and no frame may come before.
    """
    spec = renderer.describe().spec
    actions = random_program(spec, 3, 1, seed=55)[:, 0]
    actions[-1, -1] = spec.sizes[-1]
    responses = renderer.stub.Render(_request(renderer, actions, every=1), timeout=DEADLINE_S)
    with refused("a component at its size", StatusCode.INVALID_ARGUMENT, spec.names[-1]):
        next(iter(responses))


@case("renderer", "compatibility", "extended", capability="render")
def unknown_fields_of_a_program_are_ignored(renderer: RendererTarget) -> None:
    """What a newer minor version adds to RenderRequest is ignored.

    Renders a program with an unknown field (number 1999) in the request and in the program. The frame must be the one
    without them.
    """
    plain = _request(renderer, random_program(renderer.describe().spec, 3, 1, seed=56)[:, 0])
    program = Program.FromString(plain.program.SerializeToString() + UNKNOWN_FIELD)
    request = RenderRequest.FromString(RenderRequest(program=program).SerializeToString() + UNKNOWN_FIELD)
    found, right = (list(renderer.stub.Render(each, timeout=DEADLINE_S)) for each in (request, plain))
    require(found == right, "Render answers something else to a request with unknown fields")


def area_average(canvas: NDArray[np.uint8], shape: Sequence[int]) -> NDArray[np.uint8]:
    """Mean of each block of ``canvas`` under a pixel of ``shape`` [H, W, C], rounded half up."""
    height, width, channels = shape
    rows, columns = canvas.shape[0] // height, canvas.shape[1] // width
    sums = canvas.astype(np.int64).reshape(height, rows, width, columns, channels).sum(axis=(1, 3))
    rounded: NDArray[np.uint8] = ((2 * sums + rows * columns) // (2 * rows * columns)).astype(np.uint8)
    return rounded


def _request(
    renderer: RendererTarget, actions: NDArray[np.int32], *, scale: int = 1, every: int = 0, seed: int = 0
) -> RenderRequest:
    program = Program(engine=renderer.engine, actions=encode(np.ascontiguousarray(actions)), seed=seed)
    return RenderRequest(program=program, scale=scale, every=every)


def _render(
    renderer: RendererTarget, actions: NDArray[np.int32], *, scale: int = 1, every: int = 0, seed: int = 0
) -> list[RenderResponse]:
    request = _request(renderer, actions, scale=scale, every=every, seed=seed)
    return list(renderer.stub.Render(request, timeout=DEADLINE_S))
