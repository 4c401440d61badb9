"""Whether settings fit what another service understands and shows: asked by the service whose settings they are, and by
the launcher before it makes anything."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from spiral.configuration.schema import DiscriminatorConfig
from spiral.values.imported import imported, is_path


def check_components(asked: Iterable[str], names: Sequence[str]) -> None:
    """ValueError if ``learner.entropy_costs`` has other components than an engine's ``names``."""
    if unknown := set(asked) - set(names):
        raise ValueError(f"learner.entropy_costs: {sorted(unknown)} are no components; this engine has {tuple(names)}")


def check_convolutions(channels: Sequence[int], observation_shape: tuple[int, int, int]) -> None:
    """ValueError if a view of (H, W, C) is too small: each convolution halves it."""
    height, width, _ = observation_shape
    if not channels:
        raise ValueError("discriminator.channels: there is no convolution; expected at least one")
    if min(height, width) < 2 ** len(channels):
        raise ValueError(
            f"discriminator.channels: {len(channels)} convolutions, each of which halves the picture, leave "
            f"nothing of a view of {height}×{width} pixels; at most {min(height, width).bit_length() - 1} fit"
        )


def check_terms(asked: Iterable[str], discriminator: DiscriminatorConfig) -> None:
    """ValueError if ``learner.terms`` weighs terms that the project's discriminator does not answer, or where one
    of the user's own can't be imported."""
    answered = ("discriminator" if discriminator.kind == "learned" else discriminator.kind, *discriminator.terms)
    if unknown := set(asked) - set(answered):
        raise ValueError(
            f"learner.terms: {sorted(unknown)} not answered by the discriminator; it has {sorted(answered)}"
        )
    for name in filter(is_path, discriminator.terms):
        imported(name, "discriminator.terms")
