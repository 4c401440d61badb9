"""Reads arrays from foreign .npz and .npy files: never pickled, and only of the expected kind and shape."""

from __future__ import annotations

import math
import tokenize
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

# name → (kind of number, number of axes)
Expected = Mapping[str, tuple[type[np.generic], int]]


# Bit of a zip entry's flags.
_ENCRYPTED = 1
# Twice what ours have. NumPy takes a tenth of a second to find out that 10,000 bytes are no header.
_HEADER_BYTES = 256
_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
# The largest packed set has 60 MB of pictures; an archive that promises more than this is damage, not data.
LIMIT_BYTES = 1 << 30


def read_arrays(file: Path, expected: Expected, limit_bytes: int = LIMIT_BYTES) -> dict[str, NDArray[Any]]:
    """Read the named arrays of an npz; all have the same number of rows, unless they have no rows (strings).

    Memory stays below `limit_bytes` plus a small buffer, whatever the archive claims. Raises ValueError that names the
    file and the array: not an npz, truncated, missing, too large, or of another kind or number of axes.
    """
    arrays: dict[str, NDArray[Any]] = {}
    try:
        with zipfile.ZipFile(file) as archive:
            for name in expected:
                arrays[name] = _member(archive, name, limit_bytes - sum(array.nbytes for array in arrays.values()))
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError) as error:
        raise ValueError(f"{file}: not the expected npz ({error}); get it again") from error
    except OSError as error:
        raise ValueError(f"{file}: cannot be read ({error.strerror or error})") from error
    for name, (kind, axes) in expected.items():
        array = arrays[name]
        right = array.dtype == kind if kind is np.uint8 else array.dtype.kind == np.dtype(kind).kind
        if not right or array.ndim != axes:
            raise ValueError(
                f'{file}: array "{name}" is {array.dtype} with {array.ndim} axes; expected {np.dtype(kind)} with {axes}'
            )
    numbers = {name: len(arrays[name]) for name, (kind, _) in expected.items() if np.dtype(kind).kind != "U"}
    if len(set(numbers.values())) > 1:
        raise ValueError(f"{file}: its arrays have different numbers of rows: {numbers}")
    return arrays


def _member(archive: zipfile.ZipFile, name: str, limit_bytes: int) -> NDArray[Any]:
    """One array of an archive, read only where its header, the archive and the limit agree on its size."""
    entry = archive.NameToInfo.get(f"{name}.npy")
    if entry is None:
        there = ", ".join(other.removesuffix(".npy") for other in archive.namelist()[:20])
        raise ValueError(f'it has no array "{name}" (it has {there})')
    # NumPy writes these two; a decompressor of another kind may want more memory than the data has.
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) or entry.flag_bits & _ENCRYPTED:
        raise ValueError(f'array "{name}" is encrypted or compressed in a way that numpy does not write')
    if entry.file_size > limit_bytes:
        raise ValueError(f'array "{name}" has {entry.file_size} bytes; at most {limit_bytes} are read')
    with archive.open(entry) as stream:
        read_header = _HEADERS.get(npy.read_magic(stream))
        if read_header is None:
            raise ValueError(f'array "{name}" is of a format that numpy writes for no such array')
        try:
            shape, _, dtype = read_header(stream, max_header_size=_HEADER_BYTES)
        except tokenize.TokenError as error:  # numpy tries such a header a second time, as Python 2 wrote them
            raise ValueError(f'array "{name}" has a header that is no literal') from error
        size, right = entry.file_size - stream.tell(), math.prod(shape) * dtype.itemsize
        if size != right or min(shape, default=0) < 0:
            raise ValueError(f'array "{name}" has {size} bytes of data; its shape {shape} of {dtype} has {right}')
    with archive.open(entry) as stream:
        array: NDArray[Any] = npy.read_array(stream, allow_pickle=False, max_header_size=_HEADER_BYTES)
    return array


def map_array(file: Path, kind: type[np.generic], axes: int) -> NDArray[Any]:
    """Map a .npy file into memory. Raises ValueError that names it: not a npy, truncated, another kind or axes."""
    try:
        array: NDArray[Any] = np.asarray(
            np.load(file, mmap_mode="r", allow_pickle=False, max_header_size=_HEADER_BYTES)
        )
    except (ValueError, EOFError, tokenize.TokenError) as error:
        raise ValueError(f"{file}: not a whole npy file ({error}); get it again") from error
    except OSError as error:
        raise ValueError(f"{file}: cannot be read ({error.strerror or error})") from error
    if array.dtype != kind or array.ndim != axes:
        raise ValueError(
            f"{file}: it holds {array.dtype} with {array.ndim} axes; expected {np.dtype(kind)} with {axes}"
        )
    return array
