"""What a configuration would import: a user's own parts, named as ``module:name``.

A model's folder may come from anyone, so a model's configuration imports nothing unless the user asks for it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from spiral.configuration.choosing import ChoosingSection
from spiral.configuration.paths import PREFIX
from spiral.configuration.schema import RunConfig
from spiral.values.imported import is_path

Tree = Mapping[str, Any]

NETWORK = "policy.network"
TERMS = ("discriminator.terms", "learner.terms")


def imports_of(tree: Tree) -> dict[str, Any]:
    """The settings that name something to import, by key: ``{"learner.off_policy": "package.module:Class"}``."""
    named = {key: _get(tree, key) for key in ("data", NETWORK, *TERMS, *_choices())}
    return {key: value for key, value in named.items() if any(map(_is_import, _names(value)))}


def without_imports(tree: Tree, asked: Collection[str]) -> dict[str, Any]:
    """The same settings with nothing to import: painting with a model needs no objective, no term and no data set.

    ValueError if the network is not the project's own, unless the user's settings (their keys: ``asked``) name it, too.
    """
    rest = {name: dict(value) if isinstance(value, Mapping) else value for name, value in tree.items()}
    for key, value in imports_of(tree).items():
        section, _, name = key.rpartition(".")
        if key == "data":
            rest["data"] = f"{value} (its maker's own)"  # a name that matches no data set
        elif key in TERMS and isinstance(value, Mapping):
            rest[section][name] = {term: weight for term, weight in value.items() if not _is_import(term)}
        elif key in TERMS:
            rest[section][name] = [term for term in value if not _is_import(term)]
        elif key == NETWORK and NETWORK not in asked:
            raise ValueError(
                f'{NETWORK}: "{value}" is the maker\'s own code, which a model does not contain and which is imported '
                "only when asked for; if you trust it, begin a run with it: spiral train --from MODEL --set "
                f"{NETWORK}={value}"
            )
        else:
            own = _own_keys(section) - {name} if key != NETWORK else set(rest[section]) - {name}
            rest[section] = {field: setting for field, setting in rest[section].items() if field in own}
    return rest


def _choices() -> dict[str, type[ChoosingSection]]:
    """The keys that choose objectives, and their sections."""
    kinds = {name: field.annotation for name, field in RunConfig.model_fields.items()}
    return {
        f"{name}.{kind.choice()}": kind
        for name, kind in kinds.items()
        if isinstance(kind, type) and issubclass(kind, ChoosingSection)
    }


def _own_keys(section: str) -> set[str]:
    """The keys of a section without the settings of its objectives."""
    return set(next(kind for key, kind in _choices().items() if key.startswith(f"{section}.")).own_keys())


def _get(tree: Tree, key: str) -> Any:
    section, _, name = key.rpartition(".")
    inside = tree.get(section) if section else tree
    return inside.get(name) if isinstance(inside, Mapping) else None


def _names(value: Any) -> list[Any]:
    return list(value) if isinstance(value, Mapping | list | tuple) else [value]


def _is_import(name: Any) -> bool:
    """Whether the name has the form of an import path; ``folder:PATH`` has that form, too, but is not one."""
    return isinstance(name, str) and is_path(name) and not name.startswith(PREFIX)
