"""What a step may carry."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from grpc import StatusCode

from spiral.conformance.case import case, refused
from spiral.conformance.renderer.subject import RendererTarget, random_program
from spiral.v1.renderer_pb2 import RolloutRequest, StepCanvases
from spiral.v1.tensor_pb2 import DataType, Tensor

BATCH = 2


@case("renderer", "validation")
def missing_actions_are_refused(renderer: RendererTarget) -> None:
    """A step without actions is refused.

    Sends a step whose ``actions`` are not set. It must end with INVALID_ARGUMENT, and the details must name
    ``actions``.
    """
    _refuse(renderer, "no actions", None)


@case("renderer", "validation")
def actions_of_another_type_are_refused(renderer: RendererTarget) -> None:
    """Actions of another type than int32 are refused.

    Sends actions whose ``dtype`` is unspecified, uint8, int64 and float32, with as many bytes as that type has. Each
    must end with INVALID_ARGUMENT, and the details must name ``actions``.
    """
    shape, size = _shape(renderer), int(np.prod(_shape(renderer)))
    for dtype, item in (
        (DataType.DATA_TYPE_UNSPECIFIED, 4),
        (DataType.DATA_TYPE_UINT8, 1),
        (DataType.DATA_TYPE_INT64, 8),
        (DataType.DATA_TYPE_FLOAT32, 4),
    ):
        tensor = Tensor(dtype=dtype, shape=shape, data=bytes(size * item))
        _refuse(renderer, f"actions of {DataType.Name(dtype)}", tensor)


@case("renderer", "compatibility")
def actions_of_a_type_of_tomorrow_are_refused(renderer: RendererTarget) -> None:
    """Actions of a type that a newer version may have are refused like any other wrong type.

    Sends actions whose ``dtype`` is 99, which no version has yet. It must end with INVALID_ARGUMENT, and the details
    must name ``actions``.
    """
    shape = _shape(renderer)
    tensor = Tensor(shape=shape, data=bytes(int(np.prod(shape)) * 4))
    # Wire format: field 1, varint 99; the Python message takes no number that it does not know by name.
    _refuse(renderer, "actions of type 99", Tensor.FromString(b"\x08\x63" + tensor.SerializeToString()))


@case("renderer", "validation")
def actions_of_another_shape_are_refused(renderer: RendererTarget) -> None:
    """Actions of another shape than [B, K] are refused.

    Sends actions for one canvas too few and too many, with one component too few and too many, transposed, flat, with
    an axis more, and with a negative axis; the number of bytes fits the shape. Each must end with INVALID_ARGUMENT, and
    the details must name ``actions``.
    """
    batch, components = _shape(renderer)
    shapes: list[Sequence[int]] = [
        (batch - 1, components),
        (batch + 1, components),
        (batch, components - 1),
        (batch, components + 1),
        (batch * components,),
        (1, batch, components),
        (-batch, -components),
        (),
    ]
    if batch != components:
        shapes.append((components, batch))
    for shape in shapes:
        tensor = Tensor(dtype=DataType.DATA_TYPE_INT32, shape=shape, data=bytes(4 * int(np.prod(shape))))
        _refuse(renderer, f"actions of shape {list(shape)}", tensor)


@case("renderer", "validation")
def actions_of_another_size_are_refused(renderer: RendererTarget) -> None:
    """Actions whose bytes do not fit their shape are refused.

    Sends actions of the right shape without their last byte, with one byte more, and without any. Each must end with
    INVALID_ARGUMENT, and the details must name ``actions``.
    """
    shape = _shape(renderer)
    size = 4 * int(np.prod(shape))
    for found in (size - 1, size + 1, 0):
        tensor = Tensor(dtype=DataType.DATA_TYPE_INT32, shape=shape, data=bytes(found))
        _refuse(renderer, f"{found} bytes for {size}", tensor)


@case("renderer", "validation")
def every_component_has_its_range(renderer: RendererTarget) -> None:
    """An action out of a component's range is refused, on every canvas and for every component.

    For each component, sends a step in which the last canvas has −1, the component's size, and 2³¹ − 1. Each must end
    with INVALID_ARGUMENT, and the details must name the component.
    """
    spec = renderer.describe().spec
    for index, component in enumerate(spec.components):
        for value in (-1, component.size, (1 << 31) - 1):
            actions = random_program(spec, 1, BATCH, seed=21)[0]
            actions[-1, index] = value
            with (
                refused(f"{component.name} = {value}", StatusCode.INVALID_ARGUMENT, component.name),
                renderer.stream(BATCH) as stream,
            ):
                stream.reset()
                stream.step(actions)


@case("renderer", "semantics")
def every_value_in_range_is_taken(renderer: RendererTarget) -> None:
    """Every value of every component is accepted.

    Sends steps that together hold each value of each component, lowest and highest among them. Each must be answered.
    """
    spec = renderer.describe().spec
    batch = 64
    with renderer.stream(batch) as stream:
        stream.reset()
        for start in range(0, max(spec.sizes), batch):
            values = np.arange(start, start + batch)[:, np.newaxis]
            stream.step(np.minimum(values, np.array(spec.sizes) - 1).astype(np.int32))


def _shape(renderer: RendererTarget) -> tuple[int, int]:
    return BATCH, len(renderer.describe().spec)


def _refuse(renderer: RendererTarget, what: str, actions: Tensor | None) -> None:
    with refused(what, StatusCode.INVALID_ARGUMENT, "actions"), renderer.stream(BATCH) as stream:
        stream.reset()
        stream.ask(RolloutRequest(step=StepCanvases(actions=actions)))
