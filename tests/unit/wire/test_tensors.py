"""Arrays survive the wire, and nothing that lies about its size is read."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from spiral.v1.tensor_pb2 import DataType, Tensor, TensorSpec
from spiral.wire.tensors import WIRE_TYPES, TensorError, decode, encode, frame_of, spec_of, view

DTYPES = (np.uint8, np.int32, np.int64, np.float32)


@st.composite
def arrays(draw: st.DrawFn) -> NDArray[np.generic]:
    """Arrays of every type of the wire, also transposed, strided and big-endian ones."""
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    shape = tuple(draw(st.lists(st.integers(0, 5), max_size=4)))
    raw = draw(st.binary(min_size=math.prod(shape) * dtype.itemsize, max_size=math.prod(shape) * dtype.itemsize))
    array = np.frombuffer(raw, dtype).reshape(shape)
    if draw(st.booleans()):
        array = array.T
    if draw(st.booleans()) and array.ndim:
        array = array[::-2]
    if draw(st.booleans()):
        array = array.astype(array.dtype.newbyteorder(">"))
    return array


def same(left: NDArray[np.generic], right: NDArray[np.generic]) -> bool:
    """Equal in shape and in every bit, whatever the byte order (NaN too)."""
    return (
        left.shape == right.shape
        and left.astype(left.dtype.newbyteorder("<")).tobytes() == right.astype(right.dtype.newbyteorder("<")).tobytes()
    )


@given(arrays())
def test_a_message_gives_the_array_back(array: NDArray[np.generic]) -> None:
    dtype = array.dtype.newbyteorder("=").type
    received = Tensor.FromString(encode(array).SerializeToString())
    assert same(decode(received, "x", dtype, array.shape), array)
    assert same(decode(received, "x", dtype, [None] * array.ndim), array)


@given(arrays())
def test_a_frame_gives_the_array_back(array: NDArray[np.generic]) -> None:
    spec = TensorSpec.FromString(spec_of("x", array).SerializeToString())
    assert same(view(spec, bytes(frame_of(array)), array.dtype.newbyteorder("=").type, array.shape), array)


@given(
    st.sampled_from([*WIRE_TYPES, DataType.DATA_TYPE_UNSPECIFIED, 77]),
    st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(-1, 4), max_size=5),
    st.binary(max_size=64),
    st.sampled_from(DTYPES),
)
def test_whatever_arrives_is_an_array_or_a_sentence(
    data_type: DataType.ValueType, shape: list[int], data: bytes, dtype: type[np.generic]
) -> None:
    try:
        array = decode(Tensor(dtype=data_type, shape=shape, data=data), "x", dtype, [None] * len(shape))
    except TensorError:
        return
    assert array.dtype == dtype
    assert list(array.shape) == shape
    assert array.nbytes == len(data)


def test_a_view_copies_nothing_and_is_read_only() -> None:
    buffer = bytearray(frame_of(np.arange(6, dtype=np.int32)))
    array = view(TensorSpec(name="x", dtype=DataType.DATA_TYPE_INT32, shape=[2, 3]), buffer, np.int32, (2, 3))
    buffer[0] = 9
    assert array[0, 0] == 9
    with pytest.raises(ValueError, match="read-only"):
        array[0, 0] = 1


def test_the_frame_of_a_contiguous_array_is_its_memory() -> None:
    array = np.zeros(4, np.uint8)
    frame = frame_of(array)
    array[2] = 5
    assert frame[2] == 5


@pytest.mark.skipif(sys.byteorder != "little", reason="compares with this machine's own bytes")
def test_bytes_on_the_wire_are_little_endian() -> None:
    assert encode(np.array([1], ">i4")).data == b"\x01\0\0\0"


@pytest.mark.parametrize(
    ("tensor", "problem", "sentence"),
    [
        (
            Tensor(dtype=DataType.DATA_TYPE_FLOAT32, shape=[2, 2], data=bytes(16)),
            "dtype",
            "actions: elements are float32; expected int32",
        ),
        (
            Tensor(shape=[2, 2], data=bytes(16)),
            "dtype",
            "actions: elements are data type 0; expected int32",
        ),
        (
            Tensor(dtype=DataType.DATA_TYPE_INT32, shape=[2, 3], data=bytes(24)),
            "shape",
            "actions: shape is [2, 3]; expected [any, 2]",
        ),
        (
            Tensor(dtype=DataType.DATA_TYPE_INT32, shape=[-1, 2], data=bytes(8)),
            "shape",
            "actions: shape is [-1, 2]; expected [any, 2]",
        ),
        (
            Tensor(dtype=DataType.DATA_TYPE_INT32, shape=[2, 2], data=bytes(15)),
            "size",
            "actions: 15 bytes, but shape [2, 2] of int32 has 16",
        ),
        (
            Tensor(dtype=DataType.DATA_TYPE_INT32, shape=[2**38, 2], data=b""),
            "size",
            f"actions: 0 bytes, but shape [{2**38}, 2] of int32 has {2**41}",
        ),
        (
            Tensor(dtype=DataType.DATA_TYPE_INT32, shape=[2**62, 2], data=b""),
            "shape",
            f"actions: shape is [{2**62}, 2]; expected [any, 2]",
        ),
    ],
)
def test_the_sentence_says_what_is_and_what_is_right(tensor: Tensor, problem: str, sentence: str) -> None:
    with pytest.raises(TensorError) as raised:
        decode(tensor, "actions", np.int32, (None, 2))
    assert str(raised.value) == sentence
    assert raised.value.problem == problem


@pytest.mark.parametrize("dtype", [np.float64, np.uint16, np.bool_, np.complex64, object])
def test_types_the_wire_does_not_know_are_refused_before_sending(dtype: type) -> None:
    with pytest.raises(TypeError, match=r"can't travel; uint8, int32, int64, float32 can"):
        encode(np.zeros(3, dtype))
