"""libmypaint as a graphics engine: see :class:`MyPaint`."""

from spiral.engines.mypaint.engine import MyPaint
from spiral.engines.mypaint.settings import MyPaintSettings

__all__ = ["MyPaint", "MyPaintSettings"]
