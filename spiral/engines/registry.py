"""Engines by name: only this file knows which engines there are.

The project's own engines are the folders beside this file. Folders need no package metadata, which a checkout that was
never installed lacks. Engines of other packages are entry points of the group ``spiral.engines``; README.md says how to
add one. Outside its folder no code names an engine, except the configuration's default and two public classes of
:mod:`spiral.gym`.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import pkgutil
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from spiral.engines.interface import Engine, EngineMissingError
from spiral.engines.plugin import EnginePlugin

GROUP = "spiral.engines"
OWN = "spiral-painter"
"""The package that contains the folders beside this file."""


def names() -> list[str]:
    """The names of all engines, the project's own first; none of them is imported."""
    own = _own()
    return [*own, *sorted(set(_entry_points()) - set(own))]


@cache
def plugin(name: str) -> EnginePlugin:
    """The plugin of an engine.

    ValueError that names the known engines if there is none; EngineMissingError if its package can't be imported, or if
    several packages have an engine of this name.
    """
    if name not in names():
        raise ValueError(f'engine: "{name}" is unknown; known engines: {", ".join(names())}')
    brought = _entry_points().get(name, [])
    owners = [OWN] * (name in _own()) + sorted(_package(entry) for entry in brought)
    if len(owners) > 1:
        raise EngineMissingError(
            f'engine "{name}": {len(owners)} packages have an engine of this name, {" and ".join(owners)}; '
            "uninstall all but one"
        )
    if not brought:
        return _checked(name, OWN, importlib.import_module(f"spiral.engines.{name}.plugin").PLUGIN)
    try:
        loaded = brought[0].load()
    except Exception as error:  # a foreign package may raise anything
        raise EngineMissingError(
            f'engine "{name}": the package {owners[0]} can\'t be imported: {type(error).__name__}: {error}'
        ) from error
    return _checked(name, owners[0], loaded)


def create(name: str, settings: Mapping[str, Any]) -> Engine:
    """Make an engine by name; ValueError that names the known ones or the wrong setting.

    EngineMissingError if this machine lacks something that it needs.
    """
    return plugin(name).create(settings)


def _own() -> list[str]:
    return sorted(module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)]) if module.ispkg)


@cache
def _entry_points() -> dict[str, list[importlib.metadata.EntryPoint]]:
    found: dict[str, list[importlib.metadata.EntryPoint]] = {}
    for entry in importlib.metadata.entry_points(group=GROUP):
        found.setdefault(entry.name, []).append(entry)
    return found


def _package(entry: importlib.metadata.EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist else entry.value


def _checked(name: str, owner: str, loaded: object) -> EnginePlugin:
    if not isinstance(loaded, EnginePlugin):
        raise EngineMissingError(
            f'engine "{name}": the package {owner} brings {type(loaded).__name__}; expected an instance of EnginePlugin'
        )
    if loaded.name != name:
        raise EngineMissingError(
            f'engine "{name}": the package {owner} has a plugin of an engine "{loaded.name}" under this name'
        )
    return loaded
