"""The encoding of arrays: inside a message (``Tensor``), or in a separate frame beside a ``TensorSpec``.

Bytes are little-endian in C order. Nothing is read before the number of bytes was checked against the shape.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from spiral.v1.tensor_pb2 import DataType, Tensor, TensorSpec

S = TypeVar("S", bound=np.generic)
Buffer = bytes | bytearray | memoryview
Axis = int | None

WIRE_TYPES: dict[DataType.ValueType, np.dtype[Any]] = {
    DataType.DATA_TYPE_UINT8: np.dtype("u1"),
    DataType.DATA_TYPE_INT32: np.dtype("<i4"),
    DataType.DATA_TYPE_INT64: np.dtype("<i8"),
    DataType.DATA_TYPE_FLOAT32: np.dtype("<f4"),
}
_DATA_TYPES = {dtype: data_type for data_type, dtype in WIRE_TYPES.items()}

# NumPy allows no more axes than this, and no empty array whose other axes multiply to more than memory has.
MAX_AXES = 32
MAX_ELEMENTS = 1 << 40


class TensorError(ValueError):
    """A tensor is not as expected; ``problem`` says in which respect."""

    def __init__(self, problem: Literal["dtype", "shape", "size"], message: str) -> None:
        super().__init__(message)
        self.problem = problem


def encode(array: NDArray[Any]) -> Tensor:
    """The array as a message; its bytes are copied. TypeError if the wire does not have this element type."""
    data_type, array = _prepare(array)
    return Tensor(dtype=data_type, shape=array.shape, data=array.tobytes())


def decode(tensor: Tensor, name: str, dtype: type[S], shape: Sequence[Axis]) -> NDArray[S]:
    """The array of a message as a read-only view of its bytes.

    ``shape`` has None for an axis of any length. Raises TensorError, which names the tensor, what was found and what
    was expected.
    """
    return _view(tensor, name, tensor.data, dtype, shape)


def spec_of(name: str, array: NDArray[Any]) -> TensorSpec:
    """The description of an array whose bytes are in a separate frame (see :func:`frame_of`)."""
    data_type, array = _prepare(array)
    return TensorSpec(name=name, dtype=data_type, shape=array.shape)


def frame_of(array: NDArray[Any]) -> memoryview:
    """The bytes of an array for the wire: a view if it is contiguous and little-endian, otherwise of a copy."""
    return np.ascontiguousarray(_prepare(array)[1]).reshape(-1).view(np.uint8).data


def view(spec: TensorSpec, buffer: Buffer, dtype: type[S], shape: Sequence[Axis]) -> NDArray[S]:
    """The array that ``spec`` describes as a view of ``buffer``, no byte copied; errors as for :func:`decode`."""
    return _view(spec, spec.name, buffer, dtype, shape)


def _prepare(array: NDArray[Any]) -> tuple[DataType.ValueType, NDArray[Any]]:
    little = array.dtype.newbyteorder("<")
    data_type = _DATA_TYPES.get(little)
    if data_type is None:
        raise TypeError(f"an array of {array.dtype} can't travel; {', '.join(d.name for d in _DATA_TYPES)} can")
    return data_type, array.astype(little, copy=False)


def _view(
    described: Tensor | TensorSpec, name: str, buffer: Buffer, dtype: type[S], expected: Sequence[Axis]
) -> NDArray[S]:
    wanted, shape = np.dtype(dtype), tuple(described.shape)
    actual = WIRE_TYPES.get(described.dtype)
    if actual != wanted:
        found = f"data type {described.dtype}" if actual is None else actual.name
        raise TensorError("dtype", f"{name}: elements are {found}; expected {wanted.name}")
    if not _fits(shape, expected):
        right = ", ".join("any" if axis is None else str(axis) for axis in expected)
        raise TensorError("shape", f"{name}: shape is {list(shape)}; expected [{right}]")
    size, right_size = memoryview(buffer).nbytes, math.prod(shape) * wanted.itemsize
    if size != right_size:
        raise TensorError("size", f"{name}: {size} bytes, but shape {list(shape)} of {wanted.name} has {right_size}")
    array = np.frombuffer(buffer, dtype=actual).reshape(shape)
    array.flags.writeable = False
    return array


def _fits(shape: tuple[int, ...], expected: Sequence[Axis]) -> bool:
    return (
        len(shape) == len(expected) <= MAX_AXES
        and all(length >= 0 for length in shape)
        and math.prod(length or 1 for length in shape) <= MAX_ELEMENTS
        and all(axis is None or axis == length for length, axis in zip(shape, expected, strict=True))
    )
