"""The native module for the rest of the engine: loads it, and converts brushes and settings for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from spiral.engines.interface import EngineMissingError
from spiral.engines.mypaint.brushes import BrushFile
from spiral.engines.mypaint.settings import MyPaintSettings
from spiral.values.actions import ActionSpec

try:
    from spiral.engines.mypaint._native import ffi, lib
except ImportError as error:
    if "libmypaint" in str(error):
        remedy = "libmypaint is not installed; on Debian and Ubuntu: apt-get install libmypaint-dev mypaint-brushes"
    else:
        remedy = "the native module is not built; in a checkout: make setup (or pip install -e .)"
    raise EngineMissingError(f'engine "mypaint": {remedy} ({error})') from error
if not hasattr(lib, "keep_painting"):
    raise EngineMissingError(
        'engine "mypaint": the native module was built from older sources; in a checkout: make setup '
        "(or python setup.py build_ext --inplace)"
    )

PRESSURES = 10
LEVELS = 20
"""Levels of each color channel."""
__all__ = ["LEVELS", "PRESSURES", "ffi", "has_speed_inputs", "lib", "library", "native_settings", "parse"]

MAX_DAB_PIXELS = 1 << 30
"""Most pixels of dabs that an action may paint: ten seconds of one core, and several times what most brushes of the
packs need at the largest radius across the largest canvas."""
MAX_DAB_TILES = 1 << 21
"""Most tiles that the dabs of an action may touch, summed over the dabs: libmypaint needs 0.3 GB for so many."""
COMPONENTS = ("flag", "end", "control", "size", "pressure", "red", "green", "blue")
"""Components in the order of the native module's ``column``."""
WHITE = 1 << 15
"""The value 1.0 in libmypaint's pixels."""


def parse(brush: BrushFile) -> Any:
    """The brush in native memory, freed with the last reference; ValueError if libmypaint refuses it."""
    parsed = lib.recipe_parse(brush.text.encode())
    if parsed == ffi.NULL:
        raise ValueError(f"brush: libmypaint cannot read {brush.name}")
    return ffi.gc(parsed, lib.recipe_free)


def has_speed_inputs(brush: Any) -> bool:
    """Whether strokes of this brush depend on the pen's speed, in pixels per second."""
    return bool(lib.recipe_has_speed_inputs(brush))


def library() -> str:
    """File name of the loaded libmypaint with its full version, for example ``libmypaint-1.5.so.1.1.2``."""
    return Path(ffi.string(lib.library_path()).decode()).resolve().name


def native_settings(settings: MyPaintSettings, spec: ActionSpec, scale: int, view_zoom: float) -> Any:
    """The settings and the tables that turn an action's integers into strokes, computed as published."""
    sizes = dict(zip(spec.names, spec.sizes, strict=True))
    height, width = settings.canvas_size
    view_height, view_width = settings.view_size
    t = np.linspace(0.0, 1.0, 51)
    return ffi.new(
        "Settings *",
        {
            "height": height,
            "width": width,
            "view_height": view_height,
            "view_width": view_width,
            "channels": settings.channels,
            "background": WHITE if settings.background == "white" else 0,
            "grid": settings.grid,
            "compound": settings.interface == "compound",
            "legacy_move": settings.legacy_move,
            "max_pixels": MAX_DAB_PIXELS,
            "max_queued": MAX_DAB_TILES,
            "scale": scale,
            "view_zoom": view_zoom,
            "columns": len(spec),
            "column": [spec.index(name) if name in sizes else -1 for name in COMPONENTS],
            "sizes": [sizes.get(name, 0) for name in COMPONENTS],
            "log_radius": [float(np.log(size)) for size in settings.brush_sizes],
            "pressure": np.linspace(0.1, 1.0, PRESSURES).tolist(),
            "level": np.linspace(0.0, 1.0, LEVELS).tolist(),
            "bezier": [((1 - t) * (1 - t)).tolist(), (2 * (1 - t) * t).tolist(), (t * t).tolist()],
            "ramp": [i / 50 for i in range(51)],
        },
    )
