"""Which settings of a run may change between two starts, and which ones its checkpoints depend on."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from spiral.configuration.files import parse_config, read_tree
from spiral.configuration.paths import PREFIX, files_of, same_file
from spiral.configuration.schema import RunConfig

FIXED = (
    "data",
    "hold_out_validation",
    "num_actions",
    "conditional",
    "engine",
    "policy",
    "learner.optimiser",
    "discriminator.kind",
    "discriminator.channels",
)
"""Settings that the checkpoints of a run depend on: with another value they can't be read or mean nothing."""


@dataclass(frozen=True, slots=True)
class Change:
    """A setting that differs between two configurations."""

    key: str
    before: Any
    after: Any

    @property
    def fixed(self) -> bool:
        """Whether checkpoints made with one value can't be used with the other."""
        return any(self.key == fixed or self.key.startswith(f"{fixed}.") for fixed in FIXED)


def changes(before: RunConfig, after: RunConfig) -> Iterator[Change]:
    """The settings that differ, in the schema's order."""
    old, new = (_flat(config.model_dump(mode="json", by_alias=True)) for config in (before, after))
    for key in old | new:
        if old.get(key) != new.get(key):
            yield Change(key, old.get(key), new.get(key))


def fixed_change(before: RunConfig, after: RunConfig) -> Change | None:
    """The first setting that differs but must not; None if a run can continue from the other's checkpoints.

    The path of a folder of pictures may change; the discriminator compares its contents. The name of an engine's file
    may change, too.
    """
    old, new = (files_of(config.model_dump()) for config in (before, after))
    files = {key for key in old.keys() & new.keys() if same_file(old[key], new[key])}
    fixed = (change for change in changes(before, after) if change.fixed)
    return next((change for change in fixed if not _only_elsewhere(change, files)), None)


def _only_elsewhere(change: Change, files: Collection[str]) -> bool:
    folders = change.key == "data" and all(str(data).startswith(PREFIX) for data in (change.before, change.after))
    return folders or change.key in files


def going_on(checkpoint: str, config: RunConfig) -> RunConfig:
    """``config``, adapted to a checkpoint from which the run continues; ``checkpoint`` is its configuration in YAML.

    Which pictures the run learns from stays as it was: presets did not always hold out validation pictures. Raises
    ValueError if the checkpoint does not fit. The launcher checks this, too, but a service that is started by hand or
    by a cluster has no launcher.
    """
    try:
        before = parse_config(read_tree(checkpoint, "checkpoint"), "checkpoint")
    except ValueError:
        return config  # another release's settings can't be compared; whatever can't read the rest will say so
    config = config.model_copy(update={"hold_out_validation": before.hold_out_validation})
    change = fixed_change(before, config)
    if change is not None:
        raise ValueError(
            f"{change.key}: {change.after!r} does not fit this run, whose checkpoints were made with "
            f"{change.before!r}; set it back, or begin a new run in a directory without checkpoints"
        )
    return config


def _flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat
