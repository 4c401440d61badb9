"""libmypaint as a graphics engine: see :class:`MyPaint`. Importing this needs no libmypaint, using it does."""

from typing import TYPE_CHECKING, Any

from spiral.engines.mypaint.settings import MyPaintSettings

if TYPE_CHECKING:
    from spiral.engines.mypaint.engine import MyPaint

__all__ = ["MyPaint", "MyPaintSettings"]


def __getattr__(name: str) -> Any:
    if name == "MyPaint":
        from spiral.engines.mypaint.engine import MyPaint  # noqa: PLC0415

        return MyPaint
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
