"""What the network is trained for. A new objective is one file with ``build(config)`` and its line here."""

from __future__ import annotations

from collections.abc import Callable

from spiral.configuration.schema import DiscriminatorConfig
from spiral.services.discriminator.objectives import r1, spectral_norm, wgan_gp
from spiral.services.discriminator.objectives.objective import Loss, Objective, Pictures, input_gradient

BUILDERS: dict[str, Callable[[DiscriminatorConfig], Objective]] = {
    "r1": r1.build,
    "spectral-norm": spectral_norm.build,
    "wgan-gp": wgan_gp.build,
}


def build_objective(config: DiscriminatorConfig) -> Objective:
    """The objective that ``config.objective`` names; raises ValueError where nobody has that name."""
    if config.objective not in BUILDERS:
        raise ValueError(f'discriminator.objective: "{config.objective}" is unknown; known: {", ".join(BUILDERS)}')
    return BUILDERS[config.objective](config)


__all__ = ["BUILDERS", "Loss", "Objective", "Pictures", "build_objective", "input_gradient"]
