"""A batch of canvases of the engine ``mypaint``."""

from __future__ import annotations

import threading
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from spiral.actions import ActionSpec
from spiral.engines.mypaint.native_module import ffi, lib


class MyPaintCanvases:
    """``B`` canvases, blank when made; each call is one native call that releases the interpreter's lock.

    Calls of several threads wait for each other. Where ``out`` is given, the observations are written there
    (uint8 ``[B, H, W, C]``, contiguous) and nothing is allocated.
    """

    def __init__(self, brush: Any, settings: Any, spec: ActionSpec, batch: int, threads: int) -> None:
        """``brush`` and ``settings`` are the native module's; MemoryError where memory or threads run out."""
        made = lib.batch_new(brush, settings, batch, threads)
        if made == ffi.NULL:
            raise MemoryError(
                f"no memory or threads for {batch} canvases of {settings.height} × {settings.width} pixels"
            )
        self._brush = brush  # the batch points to it
        self._batch: Any = ffi.gc(made, lib.batch_free)
        self._spec = spec
        self._size = batch
        self._shape = (batch, settings.view_height, settings.view_width, settings.channels)
        self._canvas_shape = (batch, settings.height, settings.width, settings.channels)
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return self._size

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def reset(self, seeds: NDArray[np.int64] | None = None, out: NDArray[np.uint8] | None = None) -> NDArray[np.uint8]:
        """Blank all canvases → observations ``[B, H, W, C]``; ``seeds`` ``[B]`` change nothing in this engine."""
        if seeds is not None and np.shape(seeds) != (self._size,):
            raise ValueError(f"seeds: shape {list(np.shape(seeds))} is not [{self._size}], one for each canvas")
        frames = self._frames(out)
        with self._lock:
            if lib.batch_reset(self._open(), ffi.from_buffer("uint8_t[]", frames, require_writable=True)) != -1:
                raise MemoryError("no memory for fresh brushes")
        return frames

    def step(self, actions: NDArray[np.int32], out: NDArray[np.uint8] | None = None) -> NDArray[np.uint8]:
        """Execute one action on each canvas: ``[B, K]`` → observations ``[B, H, W, C]``.

        ValueError, and nothing is painted on any canvas, where a value is out of range.
        """
        given = np.asarray(actions)
        if given.shape != (self._size, len(self._spec)):
            raise ValueError(
                f"actions: shape {list(given.shape)} is not [{self._size}, {len(self._spec)}], the components "
                f"{', '.join(self._spec.names)} for each canvas"
            )
        if given.dtype != np.int32:
            if given.dtype.kind not in "iu":
                raise ValueError(f"actions: {given.dtype} are not integers; int32 is needed")
            self._spec.validate(given, "mypaint")  # before the conversion could wrap a value into range
        commands = np.ascontiguousarray(given, dtype=np.int32)
        frames = self._frames(out)
        with self._lock:
            wrong = lib.batch_step(
                self._open(),
                ffi.from_buffer("int32_t[]", commands),
                ffi.from_buffer("uint8_t[]", frames, require_writable=True),
            )
        if wrong == -2:
            raise MemoryError("no memory for the points of a stroke")
        if wrong != -1:
            self._spec.validate(commands, "mypaint")
        return frames

    def canvas(self) -> NDArray[np.uint8]:
        """The canvases themselves, not their view: ``[B, canvas height, canvas width, C]``."""
        frames = np.empty(self._canvas_shape, dtype=np.uint8)
        with self._lock:
            lib.batch_canvas(self._open(), ffi.from_buffer("uint8_t[]", frames, require_writable=True))
        return frames

    def strokes(self) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Strokes painted since the reset, and how many of them began apart from the one before: ``[B]`` each."""
        strokes, disjoint = np.empty(self._size, dtype=np.int32), np.empty(self._size, dtype=np.int32)
        with self._lock:
            lib.batch_strokes(
                self._open(), ffi.from_buffer("int32_t[]", strokes), ffi.from_buffer("int32_t[]", disjoint)
            )
        return strokes, disjoint

    def squared_distances(self, targets: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Sum of (observation − target)² over all pixels of each canvas, without a copy: ``[B, H, W, C]`` → ``[B]``."""
        given = np.ascontiguousarray(targets)
        if given.shape != self._shape or given.dtype != np.uint8:
            raise ValueError(f"targets: {given.dtype} {list(given.shape)} is not uint8 {list(self._shape)}")
        squares = np.empty(self._size, dtype=np.int64)
        with self._lock:
            lib.batch_distances(
                self._open(), ffi.from_buffer("uint8_t[]", given), ffi.from_buffer("int64_t[]", squares)
            )
        return squares

    def close(self) -> None:
        """Free the canvases; using them afterwards raises ValueError. Closing again does nothing."""
        with self._lock:
            if self._batch is not None:
                ffi.release(self._batch)
                self._batch = None

    def _open(self) -> Any:
        if self._batch is None:
            raise ValueError("these canvases are closed")
        return self._batch

    def _frames(self, out: NDArray[np.uint8] | None) -> NDArray[np.uint8]:
        if out is None:
            return np.empty(self._shape, dtype=np.uint8)
        if out.shape != self._shape or out.dtype != np.uint8 or not out.flags.c_contiguous or not out.flags.writeable:
            raise ValueError(
                f"out: {out.dtype} {list(out.shape)} is not a contiguous, writable uint8 array of shape "
                f"{list(self._shape)}"
            )
        return out
