"""The tables that turn an action's integers into a stroke: radii, pressures, color levels, and the weights of the
quadratic Bézier curve at its 51 points."""

from __future__ import annotations

from typing import Any

import numpy as np

from spiral.engines.mypaint.native_module import ffi
from spiral.engines.mypaint.settings import MyPaintSettings
from spiral.values.actions import ActionSpec

PRESSURES = 10
LEVELS = 20
"""Levels of each color channel."""
MAX_DAB_PIXELS = 1 << 30
"""Most pixels of dabs that an action may paint: ten seconds of one core, and several times what most brushes of the
packs need at the largest radius across the largest canvas."""
MAX_DAB_TILES = 1 << 21
"""Most tiles that the dabs of an action may touch, summed over the dabs: libmypaint needs 0.3 GB for so many."""
COMPONENTS = ("flag", "end", "control", "size", "pressure", "red", "green", "blue")
"""Components in the order of the native module's ``column``."""
WHITE = 1 << 15
"""The value 1.0 in libmypaint's pixels."""


def native_settings(settings: MyPaintSettings, spec: ActionSpec, scale: int, view_zoom: float) -> Any:
    """The settings and the tables that turn an action's integers into strokes, computed as published."""
    sizes = dict(zip(spec.names, spec.sizes, strict=True))
    height, width = settings.canvas_size
    view_height, view_width = settings.view_size
    rows, columns = settings.lattice
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
            "grid": columns,
            "grid_rows": rows,
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
