"""Checks that settings fit what another service understands and shows. The service that owns the settings runs them,
and so does the launcher before it creates anything."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from spiral.configuration.schema import DiscriminatorConfig
from spiral.values.actions import ActionSpec
from spiral.values.imported import imported, is_path

MOST_PLACES = 64
"""Places per row and per column that a policy chooses among; more are for replay."""


def check_components(asked: Iterable[str], names: Sequence[str]) -> None:
    """Raise ValueError if ``learner.entropy_costs`` names components that are not among an engine's ``names``."""
    if unknown := set(asked) - set(names):
        raise ValueError(f"learner.entropy_costs: unknown components {sorted(unknown)}; this engine has {tuple(names)}")


def check_convolutions(channels: Sequence[int], observation_shape: tuple[int, int, int]) -> None:
    """Raise ValueError if a view (H, W, C) is too small; each convolution halves it."""
    height, width, _ = observation_shape
    if not channels:
        raise ValueError("discriminator.channels: no convolution; expected at least one")
    if min(height, width) < 2 ** len(channels):
        raise ValueError(
            f"discriminator.channels: {len(channels)} convolutions, each of which halves the picture, leave "
            f"nothing of a view of {height}×{width} pixels; expected at most {min(height, width).bit_length() - 1}"
        )


def check_terms(asked: Iterable[str], discriminator: DiscriminatorConfig) -> None:
    """Raise ValueError if ``learner.terms`` has terms that the project's discriminator does not answer, or if one of
    the user's own terms can't be imported."""
    answered = ("discriminator" if discriminator.kind == "learned" else discriminator.kind, *discriminator.terms)
    if unknown := set(asked) - set(answered):
        raise ValueError(
            f"learner.terms: {sorted(unknown)} not answered by the discriminator; it has {sorted(answered)}"
        )
    for name in filter(is_path, discriminator.terms):
        imported(name, "discriminator.terms")


def check_lattices(spec: ActionSpec) -> None:
    """ValueError if places are more than a policy chooses among, or no square: those are for replay only."""
    for component in spec.components:
        if component.kind == "grid" and (component.columns or component.side > MOST_PLACES):
            rows, columns = component.lattice
            raise ValueError(
                f"component {component.name!r}: a lattice of {rows} × {columns} places is for replay only; a policy "
                f"takes a square one of at most {MOST_PLACES} × {MOST_PLACES}"
            )
