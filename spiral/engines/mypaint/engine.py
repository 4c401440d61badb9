"""The engine ``mypaint``: libmypaint's brushes, as the published SPIRAL environment uses them (docs/method.md, 4)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from spiral.engines.batches import check_batch
from spiral.engines.interface import Engine
from spiral.engines.mypaint.brushes import BrushFile, load_brush
from spiral.engines.mypaint.canvases import MyPaintCanvases
from spiral.engines.mypaint.drawing import strokes, texture
from spiral.engines.mypaint.native_module import has_speed_inputs, library, parse
from spiral.engines.mypaint.settings import MAX_RADIUS, MAX_SIDE, MyPaintSettings
from spiral.engines.mypaint.stroke_tables import LEVELS, PRESSURES, native_settings
from spiral.values.actions import ActionSpec, Component
from spiral.values.drawing import Drawing
from spiral.values.validation import sentence

DIGEST = 16
"""Hex digits of a brush file's SHA-256 in a version."""
VERSION = re.compile(rf"(?P<library>\S+) (?P<brush>.+) sha256:(?P<digest>[0-9a-f]{{{DIGEST}}})")


def action_spec(settings: MyPaintSettings) -> ActionSpec:
    """The components in sampling order, and which of them count with flag 0.

    ``curve``: flag 0 moves to ``end``, flag 1 paints (docs/method.md, 4). ``compound``: flag 0 adds the place
    ``control`` to the stroke; flag 1 paints that stroke and begins the next one there, with the action's ink
    (docs/method.md, 3).
    """
    rows, columns = settings.lattice
    stretched = columns if rows != columns else 0
    names = ("end", "control") if settings.interface == "curve" else ("control",)
    components = [
        Component("flag", 2, "choice"),
        *(Component(name, rows * columns, "grid", stretched) for name in names),
    ]
    if len(settings.brush_sizes) > 1:
        components.append(Component("size", len(settings.brush_sizes), "choice"))
    if settings.pressure:
        components.append(Component("pressure", PRESSURES, "choice"))
    if settings.colour:
        components += [Component(name, LEVELS, "choice") for name in ("red", "green", "blue")]
    bare = tuple(component.name in {"flag", names[0]} for component in components)
    return ActionSpec(tuple(components), (bare, (True,) * len(components)))


class MyPaint(Engine):
    """libmypaint with one brush; the same program always gives the same pixels, in any batch position."""

    name = "mypaint"

    def __init__(self, settings: MyPaintSettings, scale: int = 1, brush: BrushFile | None = None) -> None:
        """``scale`` says how many times larger than the original ``settings`` are: speeds are divided by it.

        Raises ValueError for an unknown or damaged brush, EngineMissingError without libmypaint or brush pack.
        """
        self.settings = settings
        self.spec = action_spec(settings)
        self.observation_shape = (*settings.view_size, settings.channels)
        self.canvas_shape = (*settings.canvas_size, settings.channels)
        self._scale = scale
        self._brush_file = brush or load_brush(settings.brush)
        self.digests = {"brush": self._brush_file.digest}
        self._brush = parse(self._brush_file)
        # stroke_to_2 takes a zoom but paints a little differently, so only brushes that need the zoom use it
        # (docs/method.md, 4).
        view_zoom = 1.0 / scale if scale > 1 and has_speed_inputs(self._brush) else 0.0
        self._native_settings = native_settings(settings, self.spec, scale, view_zoom)

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> Self:
        """Make the engine from plain values; ValueError that names the wrong key, value and range."""
        try:
            checked = MyPaintSettings.model_validate(dict(settings))
        except ValidationError as error:
            raise ValueError(f'settings of engine "mypaint": {sentence(error)}') from error
        return cls(checked)

    @property
    def version(self) -> str:
        """libmypaint and the brush file; equal versions give equal pixels."""
        return f"{library()} {self._brush_file.name} sha256:{self._brush_file.digest[:DIGEST]}"

    def differs(self, version: str) -> str | None:
        """What differs from the engine of ``version``: the library, or the brush file's content; or None."""
        if not version:
            return None
        then = VERSION.fullmatch(version)
        if then is None:
            return f'painted with "{version[:80]}", but here with "{self.version}"'
        digest = self._brush_file.digest[:DIGEST]
        found = []
        if then["library"] != library():
            found.append(f"painted with {then['library']}, but here with {library()}")
        if then["digest"] != digest:
            found.append(
                f'the brush file "{then["brush"]}" was another one: its SHA-256 began with {then["digest"]}, that of '
                f'"{self._brush_file.name}" here begins with {digest}'
            )
        return "; ".join(found) or None

    @property
    def reset_mask(self) -> tuple[bool, ...]:
        """Which components count before the first action: none, or as after a move with ``legacy_reset_mask``."""
        return self.spec.counts[0] if self.settings.legacy_reset_mask else (False,) * len(self.spec)

    def open(self, batch: int, threads: int = 1) -> MyPaintCanvases:
        """Make ``batch`` blank canvases (1 to 4,096) that are stepped with ``threads`` threads (1 to 256)."""
        check_batch(batch, threads)
        return MyPaintCanvases(self._brush, self._native_settings, self.spec, batch, threads)

    def transparent(self) -> MyPaint:
        """The same engine without paper: RGBA pictures, color not premultiplied; its actions stay as they are."""
        update = {"alpha": True, "background": "transparent"}
        return MyPaint(self.settings.model_copy(update=update), self._scale, self._brush_file)

    def drawing(self, actions: NDArray[np.int32]) -> Drawing:
        """What ``actions`` ``[T, K]`` paint, as strokes; of a brush with a texture, the lines that it follows."""
        textured = texture(json.loads(self._brush_file.text))
        canvases = self.open(1)
        try:
            drawn = tuple(strokes(canvases, actions, self.spec, self.settings, bool(textured)))
        finally:
            canvases.close()
        height, width = self.settings.canvas_size
        white, seen = self.settings.background == "white", self.settings.channels == 4
        paper = (255, 255, 255) if white else None if seen else (0, 0, 0)
        lost = (
            f'the brush "{self._brush_file.name}" has a texture ({", ".join(textured)}); its strokes are approximated '
            "by plain lines"
        )
        return Drawing(width, height, drawn, paper, lost if textured else "")

    def scaled(self, scale: int) -> MyPaint:
        """The same engine on a canvas ``scale`` times as large, whose strokes look the same (docs/method.md, 4).

        Observations grow too, unless ``view`` is set. ValueError if canvas or brush become too large.
        """
        if scale < 1:
            raise ValueError(f"scale: {scale} is less than 1")
        if scale == 1:
            return self
        height, width = (side * scale for side in self.settings.canvas_size)
        if max(height, width) > MAX_SIDE:
            raise ValueError(f"scale: {scale} makes a canvas of {height} × {width} pixels; at most {MAX_SIDE} a side")
        sizes = tuple(size * scale for size in self.settings.brush_sizes)
        if max(sizes) > MAX_RADIUS:
            raise ValueError(f"scale: {scale} makes a brush of radius {max(sizes):g}; the limit is {MAX_RADIUS:g}")
        larger = self.settings.model_copy(update={"canvas": (height, width), "brush_sizes": sizes})
        return MyPaint(larger, self._scale * scale, self._brush_file)
