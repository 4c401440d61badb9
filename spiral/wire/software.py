"""The version of this software."""

from __future__ import annotations

from importlib import metadata


def software_version() -> str:
    """Version of the installed distribution, ``unknown`` if it is not installed."""
    try:
        return metadata.version("spiral-painter")
    except metadata.PackageNotFoundError:
        return "unknown"
