"""The commands that an agent can give an engine: components, the action spec, masks and the contract digest.

An *action* is one brush command: a vector of ``K`` small integers, one per component, in the order in which the agent
samples them.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from spiral.values import strict_json

Kind = Literal["grid", "choice"]

PROTOCOL_MAJOR = 1


@dataclass(frozen=True, slots=True)
class Component:
    """One part of an action: an integer in ``0 … size - 1``.

    ``grid`` components are places on a lattice (index = row · columns + column, row 0 on top);
    ``choice`` components are everything else.
    """

    name: str
    size: int
    kind: Kind
    columns: int = 0
    """Of a lattice that is not square; 0: it is. Programs are replayed on such ones, policies have square ones."""
    seen: tuple[tuple[float, float], ...] = ()
    """Where in the picture each place of a ``grid`` is, (row, column) in 0 … 1; empty: place i of n at i/n."""

    def __post_init__(self) -> None:
        if self.size < 2:
            raise ValueError(f"component {self.name!r}: size {self.size} leaves no choice; expected at least 2")
        if self.columns and (self.kind != "grid" or self.size % self.columns or self.columns**2 == self.size):
            raise ValueError(f"component {self.name!r}: {self.size} values are no rows of {self.columns} places")
        if self.kind == "grid" and not self.columns and math.isqrt(self.size) ** 2 != self.size:
            raise ValueError(f"component {self.name!r}: {self.size} places; expected a square number")
        if self.seen and (
            self.kind != "grid"
            or len(self.seen) != self.size
            or not all(0 <= share <= 1 for where in self.seen for share in where)
        ):
            raise ValueError(
                f"component {self.name!r}: seen: expected, for a grid alone, {self.size} times (row, column) in 0…1"
            )

    @property
    def lattice(self) -> tuple[int, int]:
        """Rows and columns of a ``grid`` component."""
        columns = self.columns or math.isqrt(self.size)
        return self.size // columns, columns

    @property
    def side(self) -> int:
        """Cells per row and per column of a square ``grid`` component; ValueError for another."""
        if self.columns:
            raise ValueError(f"component {self.name!r}: its {self.size} places are no square; expected as many rows")
        return math.isqrt(self.size)


def middles(component: Component, height: int, width: int) -> NDArray[np.int64]:
    """At which pixel of a picture of ``height`` × ``width`` each place of a grid is: (row, column), ``[size, 2]``."""
    sides = np.array([height, width])
    if not component.seen:
        place = np.arange(component.size)
        whole: NDArray[np.int64] = np.stack(np.divmod(place, component.side), -1) * sides // component.side
        return whole
    pixels: NDArray[np.int64] = (np.array(component.seen) * sides).astype(np.int64)
    return pixels


@dataclass(frozen=True, slots=True)
class ActionSpec:
    """The components in sampling order, and which of them count.

    ``counts`` has one row for each value of the first component (the *flag*): ``counts[f][k]`` tells
    whether component ``k`` has an effect when the flag is ``f``. An empty ``counts`` means that all
    components always count.
    """

    components: tuple[Component, ...]
    counts: tuple[tuple[bool, ...], ...] = ()

    def __post_init__(self) -> None:
        if not self.components:
            raise ValueError("an action spec needs at least one component")
        if len({c.name for c in self.components}) != len(self.components):
            raise ValueError(f"component names repeat: {[c.name for c in self.components]}")
        if self.counts and (
            len(self.counts) != self.components[0].size
            or any(len(row) != len(self.components) for row in self.counts)
            or not all(row[0] for row in self.counts)
        ):
            raise ValueError(
                f"counts must have {self.components[0].size} rows of {len(self.components)} values, the first one true"
            )

    def __len__(self) -> int:
        return len(self.components)

    @property
    def names(self) -> tuple[str, ...]:
        """Component names in sampling order."""
        return tuple(c.name for c in self.components)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of values of each component in sampling order."""
        return tuple(c.size for c in self.components)

    def index(self, name: str) -> int:
        """Position of the component called ``name``; KeyError with the known names otherwise."""
        if name not in self.names:
            raise KeyError(f"no component {name!r}; this engine has {', '.join(self.names)}")
        return self.names.index(name)

    def mask_table(self) -> NDArray[np.bool_]:
        """``counts`` as an array, bool ``[F, K]`` (``[1, K]`` of True if all always count)."""
        return np.array(self.counts or [[True] * len(self)], dtype=np.bool_)

    def always_counted(self) -> list[int]:
        """The components that have an effect whatever the flag, in sampling order."""
        return [int(k) for k in np.flatnonzero(self.mask_table().all(0))]

    def mask(self, actions: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Which components of each action have an effect: ``[..., K]`` → bool ``[..., K]``."""
        if not self.counts:
            return np.ones(actions.shape, dtype=np.bool_)
        return self.mask_table()[actions[..., 0]]

    def validate(self, actions: NDArray[np.int32], engine: str) -> None:
        """Raise ValueError, naming component, value and range, unless ``actions`` ``[..., K]`` fits."""
        if actions.shape[-1:] != (len(self),):
            raise ValueError(
                f'actions: shape {list(actions.shape)} does not end in {len(self)}: engine "{engine}" '
                f"has the components {', '.join(self.names)}"
            )
        sizes = np.array(self.sizes)
        wrong = (actions < 0) | (actions >= sizes)
        if wrong.any():
            at = tuple(np.argwhere(wrong)[0])
            component = self.components[at[-1]]
            raise ValueError(
                f"{component.name}: {int(actions[at])} is outside 0…{component.size - 1} "
                f'(component "{component.name}" of engine "{engine}" has {component.size} values)'
            )


def contract_digest(
    spec: ActionSpec, observation_shape: Sequence[int], num_actions: int, conditional: bool, unroll: int | None = None
) -> str:
    """Hash of everything that two services must agree on, and of nothing else: hex, 64 characters.

    A different learning rate does not change it; a different grid, episode length or view size does. ``unroll``:
    actions of a message, if episodes are cut.
    """
    contract: dict[str, object] = {
        "protocol": PROTOCOL_MAJOR,
        "components": [[c.name, c.size, c.kind] + [c.columns] * bool(c.columns) for c in spec.components],
        "counts": [list(row) for row in spec.counts],
        "observation": list(observation_shape),
        "num_actions": num_actions,
        "conditional": conditional,
    }
    if unroll is not None:
        contract["unroll"] = unroll
    return hashlib.sha256(strict_json.exact(contract, separators=(",", ":"), ascii=True).encode()).hexdigest()
