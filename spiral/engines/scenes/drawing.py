"""Draws whole scenes at once: for data, for search and for pictures from other cameras than the fixed one."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from spiral.engines.scenes.native_module import ffi, lib
from spiral.engines.scenes.scene import ATTRIBUTES, MAX_OBJECTS, SPEC


def draw_scenes(
    stage: Any,
    objects: NDArray[np.int32],
    counts: NDArray[np.int32],
    out: NDArray[np.uint8],
    seen: NDArray[np.int32] | None = None,
) -> None:
    """Draw checked scenes ``[B, N, 6]``, the first ``counts`` ``[B]`` objects of each, to ``out`` ``[B, H, W, 3]``.

    ``seen`` receives the number of canvas pixels at which each object is visible, int32 ``[B, N]``. Raises MemoryError.
    """
    batch = ffi.gc(lib.batch_new(stage, 1), lib.batch_free)
    good = batch != ffi.NULL and lib.batch_draw(
        batch,
        *objects.shape[:2],
        ffi.from_buffer("int32_t[]", objects),
        ffi.from_buffer("int32_t[]", counts),
        ffi.from_buffer("uint8_t[]", out),
        ffi.NULL if seen is None else ffi.from_buffer("int32_t[]", seen),
    )
    if not good:
        raise MemoryError("no memory to draw scenes")


def check_scenes(objects: NDArray[np.int32], counts: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Both in the form that :func:`draw_scenes` takes; ValueError with a sentence if they are no scenes."""
    given, many = np.asarray(objects), np.asarray(counts)
    if given.ndim != 3 or given.shape[2] != len(ATTRIBUTES) or given.shape[1] > MAX_OBJECTS:
        raise ValueError(
            f"objects: shape {list(given.shape)} is not [B, N, {len(ATTRIBUTES)}] with N ≤ {MAX_OBJECTS} objects a "
            f"scene, each {', '.join(ATTRIBUTES)}"
        )
    if given.dtype.kind not in "iu" or many.dtype.kind not in "iu":
        raise ValueError(f"objects: {given.dtype} and {many.dtype} are not integers; expected int32")
    if many.shape != given.shape[:1] or (many < 0).any() or (many > given.shape[1]).any():
        raise ValueError(f"counts: expected {len(given)} numbers of objects, each 0…{given.shape[1]}")
    there = given[np.arange(given.shape[1]) < many[:, None]]
    SPEC.validate(np.insert(there, 0, 0, axis=1), "scenes")
    return np.ascontiguousarray(given, np.int32), np.ascontiguousarray(many, np.int32)
