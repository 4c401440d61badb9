"""Pictures of simple objects on a table: see :class:`Scenes`. Importing this needs no native module, using it does."""

from typing import TYPE_CHECKING, Any

from spiral.engines.scenes.settings import ScenesSettings

if TYPE_CHECKING:
    from spiral.engines.scenes.engine import Scenes

__all__ = ["Scenes", "ScenesSettings"]


def __getattr__(name: str) -> Any:
    if name == "Scenes":
        from spiral.engines.scenes.engine import Scenes  # noqa: PLC0415

        return Scenes
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
