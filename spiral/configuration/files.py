"""Reads the configuration of a run: from presets, YAML files and ``key=value`` settings."""

from __future__ import annotations

import copy
import difflib
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from spiral.configuration.choosing import ChoosingSection
from spiral.configuration.imports import without_imports
from spiral.configuration.paths import located
from spiral.configuration.schema import RunConfig
from spiral.objectives.objective import Objective
from spiral.values.section import Section
from spiral.values.validation import sentence


def preset_names() -> list[str]:
    """The names of the presets that ship with the package."""
    folder = resources.files("spiral").joinpath("presets")
    return sorted(f.name.removesuffix(".yaml") for f in folder.iterdir() if f.name.endswith(".yaml"))


def load_config(
    preset_or_file: str, settings: Sequence[str] = (), base: Path | None = None, *, as_typed: bool = False
) -> RunConfig:
    """Read a preset (by name) or a YAML file and apply ``key=value`` settings such as ``learner.reuse=2``.

    Paths become absolute. Paths in settings are relative to the working directory; those in a file are relative to
    ``base`` if it is given, otherwise to the working directory. ``as_typed`` leaves paths alone, for another machine.
    A ``base`` means that the file belongs to a model, perhaps someone else's: import paths in it are left out, not
    imported.
    Raises ValueError with a sentence that names the key, the value and what was expected, and whether a setting or
    the file is at fault.
    """
    if preset_or_file in preset_names():
        text = resources.files("spiral").joinpath("presets", f"{preset_or_file}.yaml").read_text()
        where, tree = f"preset {preset_or_file}", {"preset": preset_or_file}
    elif preset_or_file.endswith((".yaml", ".yml")):
        try:
            text = Path(preset_or_file).read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f"config: {preset_or_file} can't be read: {error}") from error
        where, tree = preset_or_file, {}
    else:
        raise ValueError(f"preset: {_unknown(preset_or_file, preset_names())}")
    tree |= read_tree(text, where)
    if base is not None:
        tree = without_imports(tree, {setting.partition("=")[0] for setting in settings})
    _refuse_unknown(tree, RunConfig, f"{where}: ")
    tree = tree if as_typed else located(tree, base or Path.cwd())
    alone = copy.deepcopy(tree)
    _drop_idle(tree, settings)
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals:
            raise ValueError(f'--set: "{setting}" has no "="; write key=value, for example learner.reuse=2')
        try:
            _set(tree, key.split("."), _parse_value(key, value))
            _refuse_unknown(tree, RunConfig, "")
        except ValueError as error:
            raise ValueError(f"--set {setting}: {error}") from error
    try:
        return RunConfig.model_validate(tree if as_typed else located(tree, Path.cwd()))
    except ValidationError as error:
        wrong = sentence(error)
        raise ValueError(f"{blame(settings, wrong) if _is_valid(alone) else where}: {wrong}") from error


def blame(settings: Sequence[str], wrong: str) -> str:
    """The settings, as given, that a sentence is about: those that it names by key or quoted value; else all."""

    def named(setting: str) -> bool:
        key, _, value = setting.partition("=")
        return key in wrong or key.rpartition(".")[2] in wrong.split(": ") or f'"{value}"' in wrong

    return " ".join(f"--set {setting}" for setting in list(filter(named, settings)) or settings)


def read_tree(text: str, where: str) -> dict[str, Any]:
    """Settings from YAML, not yet validated; ValueError, which names ``where``, if the text is not a mapping."""
    try:
        tree = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(f"{where}: not YAML: {error}") from error
    if not isinstance(tree, dict):
        raise ValueError(f"{where}: found {type(tree).__name__}; expected a mapping of settings")
    return tree


def parse_config(tree: Mapping[str, Any], where: str) -> RunConfig:
    """Validate a tree of settings; errors name ``where``."""
    _refuse_unknown(tree, RunConfig, f"{where}: ")
    try:
        return RunConfig.model_validate(tree)
    except ValidationError as error:
        raise ValueError(f"{where}: {sentence(error)}") from error


def _is_valid(tree: Mapping[str, Any]) -> bool:
    try:
        RunConfig.model_validate(tree)
    except ValidationError:
        return False
    return True


def _parse_value(key: str, value: str) -> Any:
    try:
        parsed = yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise ValueError(f'{key}: "{value}" is not a value: {error}') from error
    if isinstance(parsed, str):
        # YAML 1.1 reads 6e-4 as a string, because it has no decimal point.
        try:
            return float(parsed)
        except ValueError:
            return parsed
    return parsed


def _set(tree: dict[str, Any], path: list[str], value: Any) -> None:
    for part in path[:-1]:
        branch = tree.setdefault(part, {})
        if not isinstance(branch, dict):
            raise ValueError(f"{'.'.join(path)}: {part} is a value, not a section")
        tree = branch
    tree[path[-1]] = value


def _drop_idle(tree: dict[str, Any], settings: Sequence[str]) -> None:
    """Leave out settings of objectives that the preset or file did not choose, or that ``settings`` replace."""
    typed = dict(setting.partition("=")[::2] for setting in settings)
    for name, section in _sections(RunConfig).items():
        given = tree.get(name)
        if not issubclass(section, ChoosingSection) or not isinstance(given, Mapping):
            continue
        choice = section.choice()
        other = typed.get(f"{name}.{choice}")
        try:
            idle = section.ignored(given) if other is None else section.idle({**given, choice: other})
        except ValueError:
            continue  # the name is unknown; reading the section reports it
        tree[name] = {key: value for key, value in given.items() if key not in idle}


def _refuse_unknown(tree: Mapping[str, Any], section: type[Section], prefix: str) -> None:
    known = section.keys(tree) if issubclass(section, ChoosingSection) else section.own_keys()
    inner = _sections(section)
    for key, value in tree.items():
        if key not in known:
            raise ValueError(f"{prefix}{_unknown(str(key), known)}")
        if isinstance(value, Mapping) and key in inner:
            _refuse_unknown(value, inner[key], f"{prefix}{key}.")


def _sections(section: type[Section]) -> dict[str, type[Section]]:
    """The subsections of a section, by key."""
    kinds = {field.alias or name: field.annotation for name, field in section.model_fields.items()}
    return {
        key: kind
        for key, kind in kinds.items()
        if isinstance(kind, type) and issubclass(kind, Section) and not issubclass(kind, Objective)
    }


def _unknown(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    hint = f'did you mean "{close[0]}"? ' if close else ""
    return f'"{name}" is unknown; {hint}known: {", ".join(known)}'
