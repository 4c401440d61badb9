"""Non-saturating logistic loss with spectral normalization (Goodfellow et al. 2014; Miyato et al. 2018).

SPIRAL++ uses it (Mellor et al. 2019; docs/method.md, 3). There is no penalty; instead every layer is divided by its
largest singular value, which bounds how fast the score can change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from spiral.objectives.discriminator import DiscriminatorObjective

if TYPE_CHECKING:
    import torch
    from torch import nn

    from spiral.objectives.pictures import Loss, Pictures


class SpectralNorm(DiscriminatorObjective):
    """E softplus(−D(real)) + E softplus(D(painted)), with a normalized D."""

    def prepare(self, network: nn.Module) -> None:
        """Normalize every layer: one power iteration per update, from singular vectors that are kept in between.

        Only a pass in training mode iterates; in evaluation mode a layer stays as it was.
        """
        from torch import nn
        from torch.nn.utils.parametrizations import spectral_norm

        for module in list(network.modules()):
            if isinstance(module, nn.Conv2d | nn.Linear):
                spectral_norm(module, n_power_iterations=1)

    def loss(self, network: nn.Module, pictures: Pictures, generator: torch.Generator, update: int) -> Loss:
        """Real pictures and paintings share one pass; otherwise an update would iterate twice."""
        from torch.nn.functional import softplus

        from spiral.objectives.pictures import Loss

        real, painted = pictures.score(network, pictures.real, pictures.painted)
        logistic = softplus(-real).mean() + softplus(painted).mean()
        return Loss(logistic, real.detach(), painted.detach(), {"logistic": logistic.detach()})
