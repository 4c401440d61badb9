"""How a set goes from its files to arrays: in chunks, so that a set larger than memory passes too."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spiral.datasets.dataset import Labels, Pictures, View

# What is decoded at a time; small beside any machine's memory, large beside the cost of a call.
_CHUNK_BYTES = 32 * 2**20
_MODULUS = 2**256


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """Some pictures of a set.

    `pictures` uint8 [n, H, W, C] in the view, `test` and `validation` bool [n] (which of them these splits hold out,
    none both), `labels` int64 [n] or None, `digests`: the SHA-256 of each picture as it is stored, before it was
    brought to the view.
    """

    pictures: Pictures
    test: NDArray[np.bool_]
    validation: NDArray[np.bool_]
    labels: Labels | None
    digests: Sequence[bytes]


@dataclass(frozen=True, slots=True, eq=False)
class PictureReader:
    """A set whose files are there and that has not been read yet.

    `count` is the number of its pictures, `source_bytes` what its files take, `fingerprint` a text that changes when
    they do. `chunks` reads them, in an order that is always the same; it raises ValueError for damage.
    """

    name: str
    source: str
    licence: str
    count: int
    source_bytes: int
    fingerprint: str
    chunks: Callable[[], Iterator[Chunk]]


class Checksum:
    """A checksum of a set's content that knows no order: the sum of its pictures' SHA-256, modulo 2²⁵⁶.

    So it is the same for a packed file and for the folder that it was made of.
    """

    def __init__(self) -> None:
        self._sum = 0

    def add(self, digests: Sequence[bytes]) -> None:
        """Take in the SHA-256 of some pictures, 32 bytes each."""
        self._sum = (self._sum + sum(int.from_bytes(digest, "big") for digest in digests)) % _MODULUS

    @property
    def hex(self) -> str:
        """The checksum as 64 hexadecimal digits."""
        return f"{self._sum:064x}"


def state_of(file: Path) -> str:
    """A text that changes when the file is written: its size and time, for a reader's fingerprint."""
    found = file.stat()
    return f"{found.st_size} {found.st_mtime_ns}"


def rows_of_a_chunk(view: View) -> int:
    """How many pictures of a view are handled at a time."""
    return max(1, _CHUNK_BYTES // (view.height * view.width * view.channels))


def digest(picture: NDArray[np.uint8]) -> bytes:
    """The SHA-256 of one picture's pixels."""
    return hashlib.sha256(np.ascontiguousarray(picture).data).digest()
