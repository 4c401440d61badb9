"""Engines by name: the one place that knows which there are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spiral.engines.interface import Engine


def create(name: str, settings: Mapping[str, Any]) -> Engine:
    """Make an engine by name; ValueError that names the known ones or the wrong setting."""
    if name == "mypaint":
        from spiral.engines.mypaint import MyPaint  # noqa: PLC0415  (other engines need no libmypaint)

        return MyPaint.from_settings(settings)
    raise ValueError(f'engine: "{name}" is unknown; known engines: mypaint')
