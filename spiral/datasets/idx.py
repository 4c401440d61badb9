"""The idx format, in which MNIST is stored: two zero bytes, a type byte, the number of axes, big-endian sizes, data."""

from __future__ import annotations

import gzip
import hashlib
import math
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

UNSIGNED_BYTE = 0x08
GZIP_MAGIC = b"\x1f\x8b"
# MNIST's largest file is 47 MB; a header that announces more than this is damaged.
LIMIT_BYTES = 256 * 2**20
_CHUNK_BYTES = 2**20


@dataclass(frozen=True, slots=True, eq=False)
class IdxFile:
    """An idx file's array, uint8, and the hex MD5 of its uncompressed content."""

    array: NDArray[np.uint8]
    md5: str


def read_idx(path: Path, axes: int, limit_bytes: int = LIMIT_BYTES) -> IdxFile:
    """Read an idx file of unsigned bytes with that many axes, plain or gzip (the first bytes tell which).

    Memory stays below `limit_bytes` plus a small buffer, whatever the header says. Raises ValueError with the file and
    what is wrong: another magic number or number of axes, too large, truncated, bytes left over, broken gzip.
    """
    try:
        with _uncompressed(path) as stream:
            return _read(stream, axes, limit_bytes)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{path}: damaged gzip file ({error}); get it again") from error
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror or error})") from error


@contextmanager
def _uncompressed(path: Path) -> Iterator[BinaryIO]:
    with path.open("rb") as plain:
        compressed = plain.read(len(GZIP_MAGIC)) == GZIP_MAGIC
        plain.seek(0)
        if not compressed:
            yield plain
            return
        with gzip.GzipFile(fileobj=plain) as unpacked:
            yield cast(BinaryIO, unpacked)


def _read(stream: BinaryIO, axes: int, limit_bytes: int) -> IdxFile:
    header = _read_up_to(stream, 4 + 4 * axes)
    if len(header) < 4:
        raise ValueError(f"the file ends after {len(header)} bytes; an idx header has {4 + 4 * axes}")
    if header[:2] != b"\0\0" or header[2] != UNSIGNED_BYTE or header[3] != axes:
        raise ValueError(
            f"the magic number is 0x{bytes(header[:4]).hex()}; an idx file of bytes with {axes} "
            f"{'axis' if axes == 1 else 'axes'} starts with 0x0000{UNSIGNED_BYTE:02x}{axes:02x}"
        )
    if len(header) < 4 + 4 * axes:
        raise ValueError(f"the file ends after {len(header)} bytes; its header has {4 + 4 * axes}")
    shape = struct.unpack(f">{axes}I", header[4:])
    size = math.prod(shape)
    if size > limit_bytes:
        raise ValueError(f"the header promises {size} bytes (shape {shape}); at most {limit_bytes} are read")
    body = _read_up_to(stream, size)
    if len(body) < size:
        raise ValueError(f"truncated: {len(body)} bytes of data instead of {size} (shape {shape})")
    if stream.read(1):
        raise ValueError(f"there is more data than the {size} bytes of its shape {shape}")
    md5 = hashlib.md5(header, usedforsecurity=False)
    md5.update(body)
    return IdxFile(np.frombuffer(body, np.uint8).reshape(shape), md5.hexdigest())


def _read_up_to(stream: BinaryIO, size: int) -> bytearray:
    """Read up to `size` bytes. Memory grows with the data read, so that a false header costs none."""
    data = bytearray()
    while len(data) < size:
        chunk = stream.read(min(size - len(data), _CHUNK_BYTES))
        if not chunk:
            break
        data += chunk
    return data
