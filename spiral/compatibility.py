"""What of a run's configuration may change between two starts, and what its checkpoints are made for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from spiral.config import RunConfig

FIXED = (
    "data",
    "num_actions",
    "conditional",
    "engine",
    "policy",
    "learner.optimiser",
    "discriminator.kind",
    "discriminator.channels",
)
"""What the checkpoints of a run are made for: with another value they could not be read or would mean nothing."""


@dataclass(frozen=True, slots=True)
class Change:
    """A setting that differs."""

    key: str
    before: Any
    after: Any

    @property
    def fixed(self) -> bool:
        """Whether checkpoints made with the one can't be used with the other."""
        return any(self.key == fixed or self.key.startswith(f"{fixed}.") for fixed in FIXED)


def changes(before: RunConfig, after: RunConfig) -> Iterator[Change]:
    """The settings that differ, in the schema's order."""
    old, new = (_flat(config.model_dump(mode="json", by_alias=True)) for config in (before, after))
    for key in old | new:
        if old.get(key) != new.get(key):
            yield Change(key, old.get(key), new.get(key))


def _flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat
