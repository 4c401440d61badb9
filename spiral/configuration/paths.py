"""Paths in a run's configuration: its folder of pictures, ``data: folder:PATH``, and its brush, ``brush: FILE.myb``.

They are absolute from the start. As typed they would mean something else to a start from another directory.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

BRUSH = "engine.settings.brush"
"""Key of the brush."""
PREFIX = "folder:"
"""Of a data set that is a folder or a zip of the user's own."""
BRUSH_SUFFIX = ".myb"
"""Of a brush that is given by its file; others are names of the brush pack."""

Tree = Mapping[str, Any]


def located(tree: Tree, base: Path) -> dict[str, Any]:
    """The same settings with absolute paths: relative ones are taken from ``base``, ``~`` is the home directory."""
    return _with_paths(tree, lambda path: _absolute(path, base))


def unlocated(tree: Tree) -> dict[str, Any]:
    """The same settings with the last part of each path alone: what somebody else may know of them."""
    return _with_paths(tree, lambda path: Path(path).name)


def relative_paths(tree: Tree) -> dict[str, str]:
    """The relative paths in settings, by key: a release before this one kept them as typed."""
    return {key: path for key, path in paths_of(tree).items() if not Path(_at_home(path)).is_absolute()}


def same_brush(one: object, other: object) -> bool:
    """Whether one brush file may be the other as it was typed: a relative path, and an absolute one that ends in it."""
    if not all(isinstance(brush, str) and brush.endswith(BRUSH_SUFFIX) for brush in (one, other)):
        return False
    typed, whole = sorted((Path(str(one)), Path(str(other))), key=Path.is_absolute)
    parts = [part for part in typed.parts if part not in ("..", "~")]
    return not typed.is_absolute() and list(whole.parts[-len(parts) :]) == parts


def paths_of(tree: Tree) -> dict[str, str]:
    """The paths in settings, by key, without ``folder:``."""
    found: dict[str, str] = {}
    data, brush = tree.get("data"), _engine_settings(tree).get("brush")
    if isinstance(data, str) and data.removeprefix(PREFIX) not in ("", data):
        found["data"] = data.removeprefix(PREFIX)
    if isinstance(brush, str) and brush.endswith(BRUSH_SUFFIX):
        found[BRUSH] = brush
    return found


def _with_paths(tree: Tree, change: Callable[[str], str]) -> dict[str, Any]:
    changed = dict(tree)
    for key, path in paths_of(tree).items():
        if key == "data":
            changed["data"] = PREFIX + change(path)
        else:
            settings = {**_engine_settings(tree), "brush": change(path)}
            changed["engine"] = {**changed["engine"], "settings": settings}
    return changed


def _engine_settings(tree: Tree) -> Tree:
    engine = tree.get("engine")
    settings = engine.get("settings") if isinstance(engine, Mapping) else None
    return settings if isinstance(settings, Mapping) else {}


def _absolute(path: str, base: Path) -> str:
    """Links stay as they are, so that one that is changed on purpose is followed; ``..`` needs what they lead to."""
    whole = base.absolute() / _at_home(path)
    return str(whole.resolve() if ".." in whole.parts else whole)


def _at_home(path: str) -> str:
    """``~`` is the home directory; that of a user whom nobody knows stays as it is, and will not be found."""
    return os.path.expanduser(path)
