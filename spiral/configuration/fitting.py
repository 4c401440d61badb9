"""Whether settings fit what an engine understands and shows: asked by the service whose settings they are, and by the
launcher before it makes anything."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def check_components(asked: Iterable[str], names: Sequence[str]) -> None:
    """ValueError where ``learner.entropy_costs`` has other components than an engine's ``names``."""
    if unknown := set(asked) - set(names):
        raise ValueError(f"learner.entropy_costs: {sorted(unknown)} are no components; this engine has {tuple(names)}")


def check_convolutions(channels: Sequence[int], observation_shape: tuple[int, int, int]) -> None:
    """ValueError where a view of (H, W, C) is too small for so many convolutions, each of which halves it."""
    height, width, _ = observation_shape
    if not channels:
        raise ValueError("discriminator.channels: there is no convolution; at least one is needed")
    if min(height, width) < 2 ** len(channels):
        raise ValueError(
            f"discriminator.channels: {len(channels)} convolutions, each of which halves the picture, leave "
            f"nothing of a view of {height}×{width} pixels; at most {min(height, width).bit_length() - 1} fit"
        )
