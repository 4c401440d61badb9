"""Loads the native module, or says what it lacks and how to install it; and brushes in its terms."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from spiral.engines.interface import EngineMissingError
from spiral.engines.mypaint.brushes import BrushFile

try:
    from spiral.engines.mypaint._native import ffi, lib
except ImportError as error:
    if "libmypaint" in str(error):
        remedy = "libmypaint is not installed; on Debian and Ubuntu: apt-get install libmypaint-dev mypaint-brushes"
    else:
        remedy = "the native module is not built; in a checkout: make setup (or pip install -e .)"
    raise EngineMissingError(f'engine "mypaint": {remedy} ({error})') from error
if not hasattr(lib, "batch_dabs") or "grid_rows" not in dict(ffi.typeof("Settings").fields):
    raise EngineMissingError(
        'engine "mypaint": the native module was built from older sources; in a checkout: make setup '
        "(or python setup.py build_ext --inplace)"
    )

GRAFTED = re.compile(r"-[0-9a-f]{8}(?=\.)")
"""What auditwheel adds to the name of a library that it copies into a wheel."""
__all__ = ["ffi", "has_speed_inputs", "lib", "library", "parse"]


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
    return GRAFTED.sub("", Path(ffi.string(lib.library_path()).decode()).resolve().name)
