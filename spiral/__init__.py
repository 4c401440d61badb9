"""An agent writes programs of brush commands and learns from a discriminator to paint."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spiral.engines.programs import Program, render

__all__ = ["Program", "render"]


def __getattr__(name: str) -> Any:
    # Fetched when asked for, so that `import spiral` costs nothing.
    if name in __all__:
        from spiral.engines import programs  # noqa: PLC0415

        return getattr(programs, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
