"""Arrays from .npz and .npy files that others made: never pickled, of the shape and kind that is expected."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

# name → (kind of number, number of axes)
Expected = Mapping[str, tuple[type[np.generic], int]]


def read_arrays(file: Path, expected: Expected) -> dict[str, NDArray[Any]]:
    """Read the named arrays of an npz; all have as many rows, unless they have no rows to share (strings).

    Raises ValueError that names the file and the array: not an npz, truncated, missing, another kind or axes.
    """
    arrays: dict[str, NDArray[Any]] = {}
    try:
        with np.load(file, allow_pickle=False) as archive:
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise ValueError("it holds one array, not an archive of them")
            for name in expected:
                if name not in archive.files:
                    raise ValueError(f'it has no array "{name}" (it has {", ".join(archive.files)})')
                arrays[name] = archive[name]
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError) as error:
        raise ValueError(f"{file}: not the npz that is needed ({error}); get it again") from error
    except OSError as error:
        raise ValueError(f"{file}: cannot be read ({error.strerror or error})") from error
    for name, (kind, axes) in expected.items():
        array = arrays[name]
        right = array.dtype == kind if kind is np.uint8 else array.dtype.kind == np.dtype(kind).kind
        if not right or array.ndim != axes:
            raise ValueError(
                f'{file}: array "{name}" is {array.dtype} with {array.ndim} axes; {np.dtype(kind)} with {axes} is right'
            )
    numbers = {name: len(arrays[name]) for name, (kind, _) in expected.items() if np.dtype(kind).kind != "U"}
    if len(set(numbers.values())) > 1:
        raise ValueError(f"{file}: its arrays have different numbers of rows: {numbers}")
    return arrays


def map_array(file: Path, kind: type[np.generic], axes: int) -> NDArray[Any]:
    """Map a .npy file into memory. Raises ValueError that names it: not a npy, truncated, another kind or axes."""
    try:
        array: NDArray[Any] = np.asarray(np.load(file, mmap_mode="r", allow_pickle=False))
    except (ValueError, EOFError) as error:
        raise ValueError(f"{file}: not a whole npy file ({error}); get it again") from error
    except OSError as error:
        raise ValueError(f"{file}: cannot be read ({error.strerror or error})") from error
    if array.dtype != kind or array.ndim != axes:
        raise ValueError(
            f"{file}: it holds {array.dtype} with {array.ndim} axes; {np.dtype(kind)} with {axes} is right"
        )
    return array
