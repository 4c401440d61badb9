"""A batch of canvases of the engine ``scenes``."""

from __future__ import annotations

import threading
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from spiral.computing.machine import require_memory
from spiral.engines.batches import check_actions, check_seeds, check_targets, frames_for
from spiral.engines.interface import StoppedError
from spiral.engines.scenes.native_module import ffi, lib
from spiral.values.actions import ActionSpec

CALL_PIXELS = 1 << 22
"""Number of canvases that one native call steps; a stop or Ctrl-C takes effect between calls."""


class ScenesCanvases:
    """``B`` canvases, empty at first. Calls from several threads wait for each other.

    If ``out`` is given, the observations are written there (uint8 ``[B, H, W, 3]``, contiguous).
    """

    def __init__(self, stage: Any, spec: ActionSpec, batch: int, side: int, view: int) -> None:
        """``stage`` is the native module's; MemoryError if memory runs out."""
        require_memory(batch * (7 * side * side + 3 * view * view), f"{batch} canvases of {side} × {side} pixels")
        made = lib.batch_new(stage, batch)
        if made == ffi.NULL:
            raise MemoryError(f"no memory for {batch} canvases of {side} × {side} pixels")
        self._stage = stage  # the batch points to it
        self._batch: Any = ffi.gc(made, lib.batch_free)
        self._spec = spec
        self._size = batch
        self._shape = (batch, view, view, 3)
        self._canvas_shape = (batch, side, side, 3)
        self._each_call = max(1, CALL_PIXELS // side**2)
        self._lock = threading.Lock()
        self._stopped = False
        self._half_done = False

    def __len__(self) -> int:
        return self._size

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def reset(self, seeds: NDArray[np.int64] | None = None, out: NDArray[np.uint8] | None = None) -> NDArray[np.uint8]:
        """Take all objects away → observations ``[B, H, W, 3]``; ``seeds`` ``[B]`` change nothing in this engine."""
        check_seeds(seeds, self._size)
        frames = frames_for(self._shape, out)
        with self._lock:
            lib.batch_reset(self._open(), 0, self._size, _bytes(frames))
            self._half_done = False
        return frames

    def step(self, actions: NDArray[np.int32], out: NDArray[np.uint8] | None = None) -> NDArray[np.uint8]:
        """Execute one action on each canvas: ``[B, 7]`` → observations ``[B, H, W, 3]``.

        ValueError if a value is out of range; then nothing is drawn. StoppedError after :meth:`stop`; then
        the canvases must be reset before the next step.
        """
        given = check_actions(actions, self._size, self._spec)
        self._spec.validate(given, "scenes")
        commands = np.ascontiguousarray(given, dtype=np.int32)
        frames = frames_for(self._shape, out)
        with self._lock:
            batch = self._open()
            if self._half_done:
                raise ValueError("the step before was given up halfway; reset these canvases first")
            self._half_done = True
            for start in range(0, self._size, self._each_call):
                if self._stopped:
                    raise StoppedError("these canvases were stopped")
                part = slice(start, min(start + self._each_call, self._size))
                if not lib.batch_step(batch, start, part.stop, _integers(commands[part]), _bytes(frames[part])):
                    raise MemoryError("no memory to draw an object")
            self._half_done = False
        return frames

    def stop(self) -> None:
        """End the current step and any later one, from any thread; the step raises StoppedError."""
        self._stopped = True

    def canvas(self) -> NDArray[np.uint8]:
        """The canvases themselves, not their view: ``[B, canvas side, canvas side, 3]``."""
        frames = np.empty(self._canvas_shape, np.uint8)
        with self._lock:
            lib.batch_canvas(self._open(), _bytes(frames))
        return frames

    def objects(self) -> list[NDArray[np.int32]]:
        """The objects on each canvas, in the order in which they were added: ``B`` arrays int32 ``[N, 6]``."""
        objects = np.empty((self._size, lib.MAX_OBJECTS, lib.ATTRIBUTES), np.int32)
        counts = np.empty(self._size, np.int32)
        with self._lock:
            lib.batch_objects(self._open(), _integers(objects), _integers(counts))
        return [mine[:count] for mine, count in zip(objects, counts, strict=True)]

    def squared_distances(self, targets: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Sum of (observation − target)² over all pixels of each canvas, without a copy: ``[B, H, W, 3]`` → ``[B]``."""
        given = check_targets(targets, self._shape)
        squares = np.empty(self._size, np.int64)
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


def _bytes(frames: NDArray[np.uint8]) -> Any:
    return ffi.from_buffer("uint8_t[]", frames, require_writable=True)


def _integers(values: NDArray[np.int32]) -> Any:
    return ffi.from_buffer("int32_t[]", values)
