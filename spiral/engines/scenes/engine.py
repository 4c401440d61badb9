"""The engine ``scenes``: boxes, spheres, cylinders and capsules on a table, seen by a fixed camera."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from spiral.computing.machine import MAX_THREADS
from spiral.engines.interface import Engine
from spiral.engines.scenes import geometry
from spiral.engines.scenes.canvases import ScenesCanvases, frames_for
from spiral.engines.scenes.native_module import ffi, lib, make_stage
from spiral.engines.scenes.settings import MAX_SIDE, ScenesSettings
from spiral.values.actions import ActionSpec, Component
from spiral.values.validation import sentence

MAX_BATCH = 4096
MAX_OBJECTS: int = lib.MAX_OBJECTS
OPERATIONS = ("add", "change", "skip")
SPEC = ActionSpec(
    (
        Component("operation", len(OPERATIONS), "choice"),
        Component("type", len(geometry.TYPES), "choice"),
        Component("location", geometry.GRID**2, "grid"),
        Component("size", len(geometry.RADII), "choice"),
        *(Component(name, len(geometry.LEVELS), "choice") for name in ("red", "green", "blue")),
    ),
    counts=((True,) * 7, (True,) * 7, (True, *(False,) * 6)),
)
VERSION = "scenes 1"
"""Raised whenever a pixel of any program changes."""


class Scenes(Engine):
    """A scene is a list of objects; the same program gives the same pixels, on every machine."""

    name = "scenes"
    spec = SPEC
    version = VERSION

    def __init__(self, settings: ScenesSettings, camera: geometry.Camera | None = None) -> None:
        """``camera``: another one than the fixed one, for pictures from elsewhere."""
        self.settings = settings
        self.observation_shape = (settings.view_side, settings.view_side, 3)
        self.canvas_shape = (settings.canvas, settings.canvas, 3)
        self._camera = camera

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> Self:
        """Make the engine from plain values; ValueError that names the wrong key, value and range."""
        try:
            return cls(ScenesSettings.model_validate(dict(settings)))
        except ValidationError as error:
            raise ValueError(f'settings of engine "scenes": {sentence(error)}') from error

    @cached_property
    def _stage(self) -> Any:
        camera = self._camera or geometry.camera()
        return make_stage(self.settings.canvas, self.settings.view_side, camera, tabulate=self._camera is None)

    def differs(self, version: str) -> str | None:
        """See :class:`Engine`."""
        return None if version in ("", self.version) else f'drawn with "{version[:80]}", but here with "{self.version}"'

    def open(self, batch: int, threads: int = 1) -> ScenesCanvases:
        """Make ``batch`` empty canvases (1 to 4,096). One thread steps them: a step takes a microsecond a canvas."""
        if not 1 <= batch <= MAX_BATCH:
            raise ValueError(f"batch: {batch} is outside 1…{MAX_BATCH} canvases")
        if not 1 <= threads <= MAX_THREADS:
            raise ValueError(f"threads: {threads} is outside 1…{MAX_THREADS}")
        return ScenesCanvases(self._stage, self.spec, batch, self.settings.canvas, self.settings.view_side)

    def scaled(self, scale: int) -> Scenes:
        """The same scene on a canvas ``scale`` times as large; ValueError where it becomes too large.

        Observations grow too, unless ``view`` is set.
        """
        if scale < 1:
            raise ValueError(f"scale: {scale} is less than 1")
        side = self.settings.canvas * scale
        if side > MAX_SIDE:
            raise ValueError(f"scale: {scale} makes a canvas of {side} × {side} pixels; at most {MAX_SIDE} a side")
        return Scenes(self.settings.model_copy(update={"canvas": side}), self._camera) if scale > 1 else self

    def draw(
        self, objects: NDArray[np.int32], counts: NDArray[np.int32], out: NDArray[np.uint8] | None = None
    ) -> NDArray[np.uint8]:
        """Draw whole scenes: ``[B, N, 6]``, of which the first ``counts`` ``[B]`` are there → ``[B, H, W, 3]``.

        ``N`` ≤ 20; the attributes are an action's components without its operation. In ``out`` where it is given.
        ValueError where an attribute of an object that is there is out of range.
        """
        return self._draw(objects, counts, out, None)

    def draw_and_count(
        self, objects: NDArray[np.int32], counts: NDArray[np.int32]
    ) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
        """As :meth:`draw`, and at how many of the canvas' pixels each object is seen: int32 ``[B, N]``."""
        seen = np.zeros(np.shape(objects)[:2], np.int32)
        return self._draw(objects, counts, None, seen), seen

    def _draw(
        self,
        objects: NDArray[np.int32],
        counts: NDArray[np.int32],
        out: NDArray[np.uint8] | None,
        seen: NDArray[np.int32] | None,
    ) -> NDArray[np.uint8]:
        objects, counts = _checked(objects, counts)
        scenes, length, _ = objects.shape
        frames = frames_for((scenes, *self.observation_shape), out)
        batch = ffi.gc(lib.batch_new(self._stage, 1), lib.batch_free)
        good = batch != ffi.NULL and lib.batch_draw(
            batch,
            scenes,
            length,
            ffi.from_buffer("int32_t[]", objects),
            ffi.from_buffer("int32_t[]", counts),
            ffi.from_buffer("uint8_t[]", frames),
            ffi.NULL if seen is None else ffi.from_buffer("int32_t[]", seen),
        )
        if not good:
            raise MemoryError(f"no memory to draw scenes of {self.canvas_shape[0]} × {self.canvas_shape[1]} pixels")
        return frames


def _checked(objects: NDArray[np.int32], counts: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Both as the native module takes them; ValueError with a sentence where they are no scenes."""
    given, many = np.asarray(objects), np.asarray(counts)
    if given.ndim != 3 or given.shape[2] != lib.ATTRIBUTES or given.shape[1] > MAX_OBJECTS:
        raise ValueError(
            f"objects: shape {list(given.shape)} is not [B, N, {lib.ATTRIBUTES}] with N ≤ {MAX_OBJECTS} objects a "
            f"scene, each {', '.join(SPEC.names[1:])}"
        )
    if given.dtype.kind not in "iu" or many.dtype.kind not in "iu":
        raise ValueError(f"objects: {given.dtype} and {many.dtype} are not integers; expected int32")
    if many.shape != given.shape[:1] or (many < 0).any() or (many > given.shape[1]).any():
        raise ValueError(f"counts: expected {len(given)} numbers of objects, each 0…{given.shape[1]}")
    there = given[np.arange(given.shape[1]) < many[:, None]]
    SPEC.validate(np.insert(there, 0, 0, axis=1), "scenes")
    return np.ascontiguousarray(given, np.int32), np.ascontiguousarray(many, np.int32)
