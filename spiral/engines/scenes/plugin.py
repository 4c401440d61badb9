"""What the project knows about the engine ``scenes`` without its native module."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from spiral.engines.plugin import EnginePlugin, Environment

if TYPE_CHECKING:
    from spiral.engines.scenes.engine import Scenes


class ScenesPlugin(EnginePlugin):
    """Simple objects on a table."""

    name = "scenes"
    environment = Environment("spiral/Scenes-v0")

    def create(self, settings: Mapping[str, Any]) -> Scenes:
        """See :class:`EnginePlugin`."""
        from spiral.engines.scenes.engine import Scenes  # noqa: PLC0415  (it needs the native module)

        return Scenes.from_settings(settings)


PLUGIN = ScenesPlugin()
