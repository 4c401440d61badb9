"""Non-saturating logistic loss with spectral normalisation (Goodfellow et al. 2014; Miyato et al. 2018).

What SPIRAL++ uses (Mellor et al. 2019; docs/method.md, 3): no penalty, instead every layer is divided by its largest
singular value, which bounds how fast the score can change.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.functional import softplus
from torch.nn.utils.parametrizations import spectral_norm

from spiral.configuration.schema import DiscriminatorConfig
from spiral.services.discriminator.objectives.objective import Loss, Pictures


class SpectralNorm:
    """E softplus(−D(real)) + E softplus(D(painted)), with a normalised D."""

    def prepare(self, network: nn.Module) -> None:
        """Normalise every layer: one power iteration an update, from singular vectors that are kept in between.

        The iteration belongs to a pass in training mode; in evaluation mode a layer is what it last was.
        """
        for module in list(network.modules()):
            if isinstance(module, nn.Conv2d | nn.Linear):
                spectral_norm(module, n_power_iterations=1)

    def loss(self, network: nn.Module, pictures: Pictures, generator: torch.Generator, update: int) -> Loss:
        """Real pictures and paintings go through in one pass, or an update would make two iterations."""
        real, painted = pictures.score(network, pictures.real, pictures.painted)
        logistic = softplus(-real).mean() + softplus(painted).mean()
        return Loss(logistic, real.detach(), painted.detach(), {"logistic": logistic.detach()})


def build(config: DiscriminatorConfig) -> SpectralNorm:
    """The objective; it has no settings."""
    return SpectralNorm()
