"""The engine ``scenes``: boxes, spheres, cylinders and capsules on a table, seen by a fixed camera."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from spiral.engines.batches import check_batch, frames_for
from spiral.engines.objects import ObjectEngine, Objects
from spiral.engines.scenes import geometry, mujoco_library
from spiral.engines.scenes.canvases import ScenesCanvases
from spiral.engines.scenes.drawing import check_scenes, draw_scenes
from spiral.engines.scenes.mjcf import mjcf
from spiral.engines.scenes.mujoco_renderer import MuJoCoCanvases, MuJoCoRenderer
from spiral.engines.scenes.native_module import make_stage
from spiral.engines.scenes.scattering import scatter
from spiral.engines.scenes.scene import ATTRIBUTES, MAX_OBJECTS, SPEC, objects_of
from spiral.engines.scenes.settings import MAX_SIDE, ScenesSettings
from spiral.engines.scenes.turning import turning_gif
from spiral.values.validation import sentence

VERSION = "scenes 1"
"""Raised whenever a pixel of any program changes."""


class Scenes(ObjectEngine):
    """A scene is a list of objects; the same program gives the same pixels, on every machine."""

    name = "scenes"
    spec = SPEC
    attributes = SPEC.components[1:]
    color_attributes = ("red", "green", "blue")
    max_objects = MAX_OBJECTS

    def __init__(self, settings: ScenesSettings) -> None:
        """Raises EngineMissingError if ``renderer`` is MuJoCo and it cannot draw on this machine."""
        self.settings = settings
        self.observation_shape = (settings.view_side, settings.view_side, 3)
        self.canvas_shape = (settings.canvas, settings.canvas, 3)
        self._by_mujoco = settings.renderer == "mujoco"
        self._mujoco = f", mujoco {mujoco_library.load().__version__}" if self._by_mujoco else ""

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> Self:
        """Make the engine from plain values; ValueError that names the wrong key, value and range."""
        try:
            checked = ScenesSettings.model_validate(dict(settings))
        except ValidationError as error:
            raise ValueError(f'settings of engine "scenes": {sentence(error)}') from error
        return cls(checked)

    @cached_property
    def _stage(self) -> Any:
        return make_stage(self.settings.canvas, self.settings.view_side, geometry.camera(), tabulate=True)

    @property
    def version(self) -> str:
        """This engine's own version, and MuJoCo's version if MuJoCo draws."""
        return VERSION + self._mujoco

    def differs(self, version: str) -> str | None:
        """See :class:`Engine`."""
        return None if version in ("", self.version) else f'drawn with "{version[:80]}", but here with "{self.version}"'

    def open(self, batch: int, threads: int = 1) -> ScenesCanvases:
        """Make ``batch`` empty canvases (1 to 4,096). One thread steps them: a step takes a microsecond per canvas."""
        check_batch(batch, threads)
        kind = MuJoCoCanvases if self._by_mujoco else ScenesCanvases
        return kind(self._stage, self.spec, batch, self.settings.canvas, self.settings.view_side)

    def scaled(self, scale: int) -> Scenes:
        """The same scene on a canvas ``scale`` times as large; ValueError if it becomes too large.

        Observations grow too, unless ``view`` is set.
        """
        if scale < 1:
            raise ValueError(f"scale: {scale} is less than 1")
        side = self.settings.canvas * scale
        if side > MAX_SIDE:
            raise ValueError(f"scale: {scale} makes a canvas of {side} × {side} pixels; at most {MAX_SIDE} a side")
        return Scenes(self.settings.model_copy(update={"canvas": side})) if scale > 1 else self

    def draw(
        self, objects: NDArray[np.int32], counts: NDArray[np.int32], out: NDArray[np.uint8] | None = None
    ) -> NDArray[np.uint8]:
        """Draw whole scenes: ``[B, N, 6]`` → ``[B, H, W, 3]``; a scene has its first ``counts`` ``[B]`` objects.

        ``N`` ≤ 20. The pictures are written to ``out`` if it is given. ValueError if an attribute of one of these
        objects is out of range.
        """
        objects, counts = check_scenes(objects, counts)
        frames = frames_for((len(objects), *self.observation_shape), out)
        if self._by_mujoco:
            with MuJoCoRenderer(self.settings.canvas) as renderer:
                renderer.draw_scenes(objects, counts, frames)
        else:
            draw_scenes(self._stage, objects, counts, frames)
        return frames

    def draw_and_count(
        self, objects: NDArray[np.int32], counts: NDArray[np.int32]
    ) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
        """As :meth:`draw`, and the number of canvas pixels at which each object is visible: int32 ``[B, N]``.

        The native renderer counts, whichever renderer draws.
        """
        objects, counts = check_scenes(objects, counts)
        frames = np.empty((len(objects), *self.observation_shape), np.uint8)
        seen = np.zeros(objects.shape[:2], np.int32)
        draw_scenes(self._stage, objects, counts, frames, seen)
        return self.draw(objects, counts, frames) if self._by_mujoco else frames, seen

    def objects_of(self, actions: NDArray[np.int32]) -> Objects:
        """See :class:`ObjectEngine`."""
        attributes = np.zeros((len(actions), MAX_OBJECTS, len(ATTRIBUTES)), np.int32)
        counts = np.zeros(len(actions), np.int32)
        for scene, program in enumerate(actions):
            found = objects_of(program)
            attributes[scene, : len(found)], counts[scene] = found, len(found)
        return Objects(attributes, counts)

    def scatter(self, count: int, fewest: int, most: int, seed: int) -> Objects:
        """See :class:`ObjectEngine`; no two objects touch, and each is seen (:mod:`spiral.engines.scenes.scattering`).

        ValueError unless 1 ≤ ``fewest`` ≤ ``most`` ≤ 20, and if there are not that many scenes.
        """
        if not 1 <= fewest <= most <= MAX_OBJECTS:
            raise ValueError(f"scenes: {fewest} to {most} objects; expected 1 … {MAX_OBJECTS}")
        usual = Scenes(ScenesSettings())  # so that the scenes do not depend on the canvas
        sizes = tuple(component.size for component in self.attributes)
        return scatter(count, fewest, most, seed, sizes, lambda objects: usual.draw_and_count(*objects)[1])

    def formats(self) -> Mapping[str, Callable[[NDArray[np.int32]], bytes]]:
        """MJCF, MuJoCo's format, and a GIF of a camera that goes around the table."""
        return {
            ".xml": lambda actions: mjcf(objects_of(actions).tolist()).encode(),
            ".turn.gif": lambda actions: turning_gif(objects_of(actions)),
        }
