"""Scenes drawn by MuJoCo, the paper's engine: slower, and the reference for our own rasterizer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from spiral.engines.batches import frames_for
from spiral.engines.interface import StoppedError
from spiral.engines.scenes import mujoco_library
from spiral.engines.scenes.canvases import ScenesCanvases
from spiral.engines.scenes.mjcf import geom, mjcf
from spiral.engines.scenes.scene import MAX_OBJECTS
from spiral.values.actions import ActionSpec
from spiral.values.area_average import area_average

PLATES = 2
"""Geoms before the objects' own: ground and table."""


class MuJoCoRenderer:
    """One OpenGL context and one model with a place for each object; both belong to their own thread."""

    def __init__(self, side: int) -> None:
        """``side``: of the picture, pixels. EngineMissingError if MuJoCo cannot draw on this machine."""
        self._mujoco = mujoco_library.load()
        self._side = side
        self._renderer: Any = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="mujoco")
        self._thread.submit(self._start).result()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def draw(self, objects: Iterable[Sequence[int]]) -> NDArray[np.uint8]:
        """A picture of objects ``[N, 6]``, N ≤ 20: ``[side, side, 3]``."""
        return self._thread.submit(self._draw, list(objects)).result()

    def draw_scenes(self, objects: NDArray[np.int32], counts: NDArray[np.int32], out: NDArray[np.uint8]) -> None:
        """Draw checked scenes ``[B, N, 6]``, ``counts`` ``[B]`` objects of each, to ``out`` ``[B, H, W, 3]``."""
        for frame, scene, count in zip(out, objects, counts, strict=True):
            frame[:] = area_average(self.draw(scene[:count].tolist())[None], self._side // len(frame))[0]

    def close(self) -> None:
        """Free the context. Closing again does nothing."""
        if self._renderer is not None:
            self._thread.submit(self._renderer.close).result()
            self._renderer = None
            self._thread.shutdown()

    def __del__(self) -> None:
        # The context can be freed only in its own thread; at the interpreter's end nothing has to be freed.
        with suppress(RuntimeError):
            self.close()

    def _start(self) -> None:
        model = self._mujoco.MjModel.from_xml_string(mjcf([[0] * 6] * MAX_OBJECTS, self._side))
        # All places are set again; otherwise a geom would keep the place with which it was compiled.
        model.geom_sameframe[:] = 0
        self._model, self._data = model, self._mujoco.MjData(model)
        self._renderer = self._mujoco.Renderer(model, self._side, self._side)

    def _draw(self, objects: list[Sequence[int]]) -> NDArray[np.uint8]:
        model = self._model
        model.geom_rgba[PLATES:, 3] = 0  # not drawn
        for slot, attributes in enumerate(objects, start=PLATES):
            it = geom(attributes)
            model.geom_type[slot] = getattr(self._mujoco.mjtGeom, f"mjGEOM_{it.type.upper()}")
            model.geom_size[slot], model.geom_pos[slot], model.geom_quat[slot] = it.size, it.pos, it.quat
            model.geom_rgba[slot] = it.rgba
        self._mujoco.mj_forward(model, self._data)
        self._renderer.update_scene(self._data, "scene")
        picture: NDArray[np.uint8] = self._renderer.render().copy()
        return picture


class MuJoCoCanvases(ScenesCanvases):
    """Canvases that MuJoCo draws; the native module keeps track of the objects on them."""

    def __init__(self, stage: Any, spec: ActionSpec, batch: int, side: int, view: int) -> None:
        super().__init__(stage, spec, batch, side, view)
        self._renderer = MuJoCoRenderer(side)
        self._pictures = np.empty((batch, side, side, 3), np.uint8)
        self._blank = self._renderer.draw([])
        self.reset()

    def reset(self, seeds: NDArray[np.int64] | None = None, out: NDArray[np.uint8] | None = None) -> NDArray[np.uint8]:
        """See :class:`ScenesCanvases`."""
        super().reset(seeds)
        self._pictures[:] = self._blank
        return self._view(out)

    def step(self, actions: NDArray[np.int32], out: NDArray[np.uint8] | None = None) -> NDArray[np.uint8]:
        """See :class:`ScenesCanvases`."""
        before = self.objects()
        super().step(actions)
        for picture, old, new in zip(self._pictures, before, self.objects(), strict=True):
            if self._stopped:
                self._half_done = True
                raise StoppedError("the step was stopped")
            if not np.array_equal(old, new):
                picture[:] = self._renderer.draw(new.tolist())
        return self._view(out)

    def canvas(self) -> NDArray[np.uint8]:
        """See :class:`ScenesCanvases`."""
        self._open()
        return self._pictures.copy()

    def squared_distances(self, targets: NDArray[np.uint8]) -> NDArray[np.int64]:
        """See :class:`ScenesCanvases`."""
        super().squared_distances(targets)
        difference = self._view(None).astype(np.int64) - targets
        distances: NDArray[np.int64] = (difference**2).sum((1, 2, 3))
        return distances

    def close(self) -> None:
        """See :class:`ScenesCanvases`."""
        super().close()
        self._renderer.close()

    def _view(self, out: NDArray[np.uint8] | None) -> NDArray[np.uint8]:
        frames = frames_for(self._shape, out)
        frames[:] = area_average(self._pictures, self._canvas_shape[1] // self._shape[1])
        return frames
