"""Paths in a run's configuration: its folder of pictures, ``data: folder:PATH``, and files that its engine's settings
name, such as a brush.

They are made absolute at the first start. As typed, they would mean something else in another working directory.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from spiral.configuration.schema import EngineConfig
from spiral.engines import EngineMissingError
from spiral.engines.registry import plugin

PREFIX = "folder:"
"""Prefix of a data set that is the user's own folder or zip."""
SETTINGS = "engine.settings."
"""Prefix of the keys of an engine's settings."""

Tree = Mapping[str, Any]


def located(tree: Tree, base: Path) -> dict[str, Any]:
    """The same settings with absolute paths: relative ones start at ``base``; ``~`` is the home directory."""
    return _with_paths(tree, lambda path: _absolute(path, base))


def unlocated(tree: Tree) -> dict[str, Any]:
    """The same settings with only the last part of each path, for sharing with others."""
    return _with_paths(tree, lambda path: Path(path).name)


def relative_paths(tree: Tree) -> dict[str, str]:
    """The relative paths in settings, by key; an earlier release stored them as typed."""
    return {key: path for key, path in paths_of(tree).items() if not Path(_at_home(path)).is_absolute()}


def same_file(one: str, other: str) -> bool:
    """Whether one path may be the typed form of the other: a relative path, and an absolute one that ends in it."""
    typed, whole = sorted((Path(one), Path(other)), key=Path.is_absolute)
    parts = [part for part in typed.parts if part not in ("..", "~")]
    return not typed.is_absolute() and list(whole.parts[-len(parts) :]) == parts


def paths_of(tree: Tree) -> dict[str, str]:
    """The paths in settings, by key, without ``folder:``."""
    data = tree.get("data")
    if isinstance(data, str) and data.removeprefix(PREFIX) not in ("", data):
        return {"data": data.removeprefix(PREFIX), **files_of(tree)}
    return files_of(tree)


def files_of(tree: Tree) -> dict[str, str]:
    """The files that the engine's settings name, by key."""
    settings = _engine_settings(tree)
    return {
        SETTINGS + key: settings[key]
        for key, suffix in _file_settings(tree).items()
        if isinstance(settings.get(key), str) and settings[key].endswith(suffix)
    }


def _with_paths(tree: Tree, change: Callable[[str], str]) -> dict[str, Any]:
    changed = dict(tree)
    for key, path in paths_of(tree).items():
        if key == "data":
            changed["data"] = PREFIX + change(path)
        else:
            settings = {**_engine_settings(changed), key.removeprefix(SETTINGS): change(path)}
            changed["engine"] = {**changed["engine"], "settings": settings}
    return changed


def _engine(tree: Tree) -> Tree:
    engine = tree.get("engine")
    return engine if isinstance(engine, Mapping) else {}


def _engine_settings(tree: Tree) -> Tree:
    settings = _engine(tree).get("settings")
    return settings if isinstance(settings, Mapping) else {}


def _file_settings(tree: Tree) -> Mapping[str, str]:
    """The engine's settings that are files, with their file endings; empty if the engine is not installed here."""
    try:
        return plugin(str(_engine(tree).get("name", EngineConfig().name))).file_settings
    except (ValueError, EngineMissingError):
        return {}


def _absolute(path: str, base: Path) -> str:
    """The absolute path. Links are kept, so that a link that is changed on purpose is followed; only ``..`` resolves
    them."""
    whole = base.absolute() / _at_home(path)
    return str(whole.resolve() if ".." in whole.parts else whole)


def _at_home(path: str) -> str:
    """Replace ``~`` by the home directory; that of an unknown user stays as it is, and will not be found."""
    return os.path.expanduser(path)
