"""What every engine checks of the arrays of a batch of canvases, in the same words."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from spiral.computing.machine import MAX_THREADS
from spiral.values.actions import ActionSpec

MAX_BATCH = 4096


def check_batch(batch: int, threads: int) -> None:
    """ValueError if no engine opens that many canvases, or uses that many threads."""
    if not 1 <= batch <= MAX_BATCH:
        raise ValueError(f"batch: {batch} is outside 1…{MAX_BATCH} canvases")
    if not 1 <= threads <= MAX_THREADS:
        raise ValueError(f"threads: {threads} is outside 1…{MAX_THREADS}")


def check_seeds(seeds: NDArray[np.int64] | None, size: int) -> None:
    """ValueError if there are seeds and not one for each canvas."""
    if seeds is not None and np.shape(seeds) != (size,):
        raise ValueError(f"seeds: shape {list(np.shape(seeds))} is not [{size}], one for each canvas")


def check_actions(actions: NDArray[np.int32], size: int, spec: ActionSpec) -> NDArray[Any]:
    """Integers ``[B, K]`` of any type, whose values are not checked; ValueError if ``actions`` are something else."""
    given = np.asarray(actions)
    if given.shape != (size, len(spec)):
        raise ValueError(
            f"actions: shape {list(given.shape)} is not [{size}, {len(spec)}], the components "
            f"{', '.join(spec.names)} for each canvas"
        )
    if given.dtype.kind not in "iu":
        raise ValueError(f"actions: {given.dtype} are not integers; expected int32")
    return given


def check_targets(targets: NDArray[np.uint8], shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """The targets, contiguous; ValueError if they are not uint8 of the observations' shape."""
    given = np.ascontiguousarray(targets)
    if given.shape != shape or given.dtype != np.uint8:
        raise ValueError(f"targets: {given.dtype} {list(given.shape)} is not uint8 {list(shape)}")
    return given


def frames_for(shape: tuple[int, ...], out: NDArray[np.uint8] | None) -> NDArray[np.uint8]:
    """An array for observations: ``out`` or a new one; ValueError if ``out`` does not fit them."""
    if out is None:
        return np.empty(shape, np.uint8)
    if out.shape != shape or out.dtype != np.uint8 or not out.flags.c_contiguous or not out.flags.writeable:
        raise ValueError(
            f"out: {out.dtype} {list(out.shape)} is not a contiguous, writable uint8 array of shape {list(shape)}"
        )
    return out
