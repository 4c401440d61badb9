"""The idx reader: what it reads, and what it says of everything else."""

from __future__ import annotations

import gzip
import hashlib
import math
import re
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spiral.datasets.idx import read_idx

Shape = tuple[int, ...]


def idx_bytes(array: np.ndarray) -> bytes:
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


shapes = st.lists(st.integers(0, 5), min_size=1, max_size=4).map(tuple)


@given(shape=shapes, seed=st.integers(0, 2**16), compressed=st.booleans())
def test_what_was_written_is_read(tmp_path_factory: pytest.TempPathFactory, shape: Shape, seed: int, compressed: bool):
    array = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    content = idx_bytes(array)
    path = tmp_path_factory.mktemp("idx") / "file"
    path.write_bytes(gzip.compress(content) if compressed else content)
    idx = read_idx(path, len(shape))
    np.testing.assert_array_equal(idx.array, array)
    assert idx.md5 == hashlib.md5(content).hexdigest()


@given(shape=shapes, cut=st.integers(1, 10_000), compressed=st.booleans())
def test_a_cut_file_is_refused(tmp_path_factory: pytest.TempPathFactory, shape: Shape, cut: int, compressed: bool):
    content = idx_bytes(np.zeros(shape, np.uint8))
    content = gzip.compress(content) if compressed else content
    path = tmp_path_factory.mktemp("idx") / "file"
    path.write_bytes(content[: max(0, len(content) - cut)])
    with pytest.raises(ValueError, match="file: "):
        read_idx(path, len(shape))


@given(
    noise=st.binary(max_size=200) | st.binary(max_size=12).map(lambda rest: b"\0\0\x08\x01\0\0\0" + rest),
    axes=st.integers(1, 4),
)
def test_noise_gives_a_sentence_unless_it_happens_to_be_right(
    tmp_path_factory: pytest.TempPathFactory, noise: bytes, axes: int
):
    path = tmp_path_factory.mktemp("idx") / "file"
    path.write_bytes(noise)
    header = bytes((0, 0, 8, axes))
    fits = (
        noise.startswith(header)
        and len(noise) >= 4 + 4 * axes
        and len(noise) == 4 + 4 * axes + math.prod(struct.unpack(f">{axes}I", noise[4 : 4 + 4 * axes]))
    )
    if fits:
        assert read_idx(path, axes).array.tobytes() == noise[4 + 4 * axes :]
    else:
        with pytest.raises(ValueError, match=re.escape(str(path))):
            read_idx(path, axes)


@pytest.mark.parametrize(
    ("content", "axes", "says"),
    [
        (b"", 3, "ends after 0 bytes"),
        (struct.pack(">BBBB3I", 0, 0, 8, 3, 1, 1, 1)[:9], 3, "ends after 9 bytes"),
        (
            idx_bytes(np.zeros((2, 3), np.uint8)),
            3,
            "0x00000802; an idx file of bytes with 3 axes starts with 0x00000803",
        ),
        (struct.pack(">BBBBI", 0, 0, 0x0D, 1, 1) + b"1234", 1, "0x00000d01; an idx file of bytes with 1 axis"),
        (idx_bytes(np.zeros((2, 3), np.uint8))[:-1], 2, r"5 bytes of data instead of 6 \(shape \(2, 3\)\)"),
        (idx_bytes(np.zeros((2, 3), np.uint8)) + b"x", 2, "more data than the 6 bytes"),
        (struct.pack(">BBBB3I", 0, 0, 8, 3, 2**32 - 1, 2**32 - 1, 2), 3, "at most 268435456 are read"),
        (b"\x1f\x8bnot really gzip at all", 3, "damaged gzip file"),
    ],
)
def test_each_fault_is_named(tmp_path: Path, content: bytes, axes: int, says: str):
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=says):
        read_idx(path, axes)


def test_a_missing_file_is_a_sentence(tmp_path: Path):
    with pytest.raises(ValueError, match=r"absent: cannot be read \(No such file"):
        read_idx(tmp_path / "absent", 3)


def test_a_header_that_promises_much_costs_no_memory(tmp_path: Path):
    path = tmp_path / "file"
    path.write_bytes(struct.pack(">BBBBI", 0, 0, 8, 1, 200 * 2**20) + b"few")
    tracemalloc.start()
    with pytest.raises(ValueError, match="3 bytes of data instead of"):
        read_idx(path, 1)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 8 * 2**20


def test_a_gzip_bomb_stops_at_the_limit(tmp_path: Path):
    path = tmp_path / "file.gz"
    path.write_bytes(gzip.compress(struct.pack(">BBBBI", 0, 0, 8, 1, 1000) + bytes(50 * 2**20)))
    tracemalloc.start()
    with pytest.raises(ValueError, match="more data than the 1000 bytes"):
        read_idx(path, 1)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 8 * 2**20
