"""A batch of canvases of the engine ``mypaint``."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from spiral.computing.machine import require_memory
from spiral.engines.batches import check_actions, check_seeds, check_targets, frames_for
from spiral.engines.interface import StoppedError
from spiral.engines.mypaint.native_module import ffi, lib
from spiral.values.actions import ActionSpec

# Bytes of a pixel: four channels of 16 bits.
_TILE_BYTES = 8
_opening = threading.Lock()


class _Stop:
    """Whether the steps of some canvases should end, and what a signal handler has raised meanwhile."""

    def __init__(self) -> None:
        self.wanted = False
        self.error: BaseException | None = None


def _interrupted(kind: type[BaseException], error: BaseException, trace: TracebackType) -> None:
    """Keep the exception that a signal handler raises during a callback; cffi would only print it."""
    ffi.from_handle(trace.tb_frame.f_locals["stop"]).error = error


@ffi.def_extern(onerror=_interrupted)  # type: ignore[untyped-decorator]
def keep_painting(stop: Any) -> bool:
    """Whether a step should go on. In the main thread Python runs signal handlers here, also that of Ctrl-C."""
    return not ffi.from_handle(stop).wanted


class MyPaintCanvases:
    """``B`` canvases, blank when made; each call is one native call that releases the interpreter's lock.

    Calls from several threads wait for each other. If ``out`` is given, the observations are written there (uint8
    ``[B, H, W, C]``, contiguous) and nothing is allocated.
    """

    def __init__(self, brush: Any, settings: Any, spec: ActionSpec, batch: int, threads: int) -> None:
        """``brush`` and ``settings`` are the native module's; MemoryError if memory or threads run out."""
        what = f"{batch} canvases of {settings.height} × {settings.width} pixels"
        pixels, seen = settings.height * settings.width, settings.view_height * settings.view_width
        each = pixels * (_TILE_BYTES + settings.channels) + (seen != pixels) * seen * settings.channels
        with _opening:  # one at a time, so that each sees the memory that the one before has taken
            require_memory(batch * each, what)
            made = lib.batch_new(brush, settings, batch, threads)
        if made == ffi.NULL:
            raise MemoryError(f"no memory or threads for {what}")
        self._brush = brush  # the batch points to it
        self._batch: Any = ffi.gc(made, lib.batch_free)
        self._spec = spec
        self._size = batch
        self._shape = (batch, settings.view_height, settings.view_width, settings.channels)
        self._canvas_shape = (batch, settings.height, settings.width, settings.channels)
        self._lock = threading.Lock()
        self._half_done = False
        self._stop = _Stop()
        self._stop_handle = ffi.new_handle(self._stop)

    def __len__(self) -> int:
        return self._size

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def reset(self, seeds: NDArray[np.int64] | None = None, out: NDArray[np.uint8] | None = None) -> NDArray[np.uint8]:
        """Blank all canvases → observations ``[B, H, W, C]``; ``seeds`` ``[B]`` change nothing in this engine."""
        check_seeds(seeds, self._size)
        frames = frames_for(self._shape, out)
        with self._lock:
            if lib.batch_reset(self._open(), ffi.from_buffer("uint8_t[]", frames, require_writable=True)) != lib.DONE:
                raise MemoryError("no memory for fresh brushes")
            self._half_done = False
        return frames

    def step(self, actions: NDArray[np.int32], out: NDArray[np.uint8] | None = None) -> NDArray[np.uint8]:
        """Execute one action on each canvas: ``[B, K]`` → observations ``[B, H, W, C]``.

        If a value is out of range: ValueError, and nothing is painted on any canvas. If an action needs more dabs than
        the limit (ValueError), or if it is stopped (StoppedError, KeyboardInterrupt), the canvases must be reset before
        they are painted on again.
        """
        given = check_actions(actions, self._size, self._spec)
        if given.dtype != np.int32:
            self._spec.validate(given, "mypaint")  # before the conversion could wrap a value into range
        if self._stop.wanted:
            raise StoppedError("these canvases were stopped")
        commands = np.ascontiguousarray(given, dtype=np.int32)
        frames = frames_for(self._shape, out)
        with self._lock:
            if self._half_done:
                raise ValueError("the previous step was interrupted; reset these canvases first")
            wrong = lib.batch_step(
                self._open(),
                ffi.from_buffer("int32_t[]", commands),
                ffi.from_buffer("uint8_t[]", frames, require_writable=True),
                lib.keep_painting,
                self._stop_handle,
            )
            self._half_done = wrong in (lib.NO_MEMORY, lib.TOO_MUCH, lib.STOPPED)
        if wrong == lib.NO_MEMORY:
            raise MemoryError("no memory for the points of a stroke")
        if wrong == lib.TOO_MUCH:
            raise ValueError(
                "actions: one of them needs more dabs of the brush than are painted for an action; expected a smaller "
                "canvas, a smaller brush or one with fewer dabs"
            )
        if wrong == lib.STOPPED:
            error, self._stop.error = self._stop.error, None
            raise error or StoppedError("the step was stopped")
        if wrong != lib.DONE:
            self._spec.validate(commands, "mypaint")
        return frames

    def stop(self) -> None:
        """End the current step, and any later one, with StoppedError. May be called from any thread."""
        self._stop.wanted = True

    def canvas(self) -> NDArray[np.uint8]:
        """The canvases themselves, not the observations: ``[B, canvas height, canvas width, C]``."""
        frames = np.empty(self._canvas_shape, dtype=np.uint8)
        with self._lock:
            lib.batch_canvas(self._open(), ffi.from_buffer("uint8_t[]", frames, require_writable=True))
        return frames

    def strokes(self) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Number of strokes since the reset, and how many of them began apart from the one before: ``[B]`` each."""
        strokes, disjoint = np.empty(self._size, dtype=np.int32), np.empty(self._size, dtype=np.int32)
        with self._lock:
            lib.batch_strokes(
                self._open(), ffi.from_buffer("int32_t[]", strokes), ffi.from_buffer("int32_t[]", disjoint)
            )
        return strokes, disjoint

    def keep_dabs(self) -> None:
        """Keep the dabs of each step from now on."""
        with self._lock:
            lib.batch_keep_dabs(self._open())

    def dabs(self, canvas: int) -> NDArray[np.float32]:
        """The dabs that the last step put on a canvas, float32 ``[N, 7]``: x, y and radius (pixels), opacity above 0,
        and red, green and blue (0…1)."""
        first = ffi.new("KeptDab **")
        with self._lock:
            count = lib.batch_dabs(self._open(), canvas, first)
            kept = bytes(ffi.buffer(first[0], count * ffi.sizeof("KeptDab"))) if count else b""
        return np.frombuffer(kept, np.float32).reshape(-1, 7)

    def squared_distances(self, targets: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Sum of (observation − target)² over all pixels of each canvas, without a copy: ``[B, H, W, C]`` → ``[B]``."""
        given = check_targets(targets, self._shape)
        squares = np.empty(self._size, dtype=np.int64)
        with self._lock:
            lib.batch_distances(
                self._open(), ffi.from_buffer("uint8_t[]", given), ffi.from_buffer("int64_t[]", squares)
            )
        return squares

    @property
    def closed(self) -> bool:
        """Whether the canvases are freed."""
        return self._batch is None

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
