"""Loads the native module for the rest of the engine, and makes a stage in its terms."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from spiral.engines.interface import EngineMissingError
from spiral.engines.scenes import geometry
from spiral.engines.scenes.geometry import Camera

try:
    from spiral.engines.scenes._native import ffi, lib
except ImportError as error:
    raise EngineMissingError(
        f'engine "scenes": the native module is not built; in a checkout: make setup (or pip install -e .) ({error})'
    ) from error

__all__ = ["ffi", "lib", "make_stage"]

MAX_TABULATED = 128
"""Largest canvas whose possible objects are all drawn once, beforehand: 22 MB and 40 ms."""


def make_stage(side: int, view: int, camera: Camera, tabulate: bool) -> Any:
    """All of a picture except its objects, in native memory freed with the last reference. Raises MemoryError."""
    settings = ffi.new(
        "StageSettings *",
        {
            "side": side,
            "view": view,
            "tabulate": tabulate and side <= MAX_TABULATED,
            "grid": geometry.GRID,
            **asdict(camera),
            "light": geometry.LIGHT,
            "ambient": geometry.AMBIENT,
            "diffuse": geometry.DIFFUSE,
            "ground": geometry.GROUND,
            "table": geometry.TABLE,
            "level": geometry.LEVELS,
            "radius": geometry.RADII,
            "box_half": geometry.BOX_HALF,
            "turn": geometry.BOX_TURN,
            "cylinder": geometry.CYLINDER,
            "capsule": geometry.CAPSULE,
        },
    )
    made = lib.stage_new(settings)
    if made == ffi.NULL:
        raise MemoryError(f"no memory for a canvas of {side} × {side} pixels")
    return ffi.gc(made, lib.stage_free)
