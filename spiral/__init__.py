"""An agent writes programs of brush commands and learns from a discriminator to paint."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spiral.agent import Agent, load
    from spiral.engines.programs import Program, render

__all__ = ["Agent", "Program", "load", "render"]


def __getattr__(name: str) -> Any:
    # Fetched when asked for, so that `import spiral` costs nothing.
    if name in ("Program", "render"):
        from spiral.engines import programs  # noqa: PLC0415

        return getattr(programs, name)
    if name in ("Agent", "load"):
        from spiral import agent  # noqa: PLC0415

        return getattr(agent, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
