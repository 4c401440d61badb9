"""An agent writes programs of brush commands and learns from a discriminator to paint."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spiral.agent import Agent, load
    from spiral.engines.export_plans import Options
    from spiral.engines.exporting import export
    from spiral.engines.programs import Program, render

__all__ = ["Agent", "Options", "Program", "export", "load", "render"]
_MODULES = {
    "Agent": "agent",
    "Options": "engines.export_plans",
    "Program": "engines.programs",
    "export": "engines.exporting",
    "load": "agent",
    "render": "engines.programs",
}


def __getattr__(name: str) -> Any:
    # Fetched when asked for, so that `import spiral` costs nothing.
    if name in _MODULES:
        return getattr(import_module(f"spiral.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
