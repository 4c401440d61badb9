"""Non-saturating logistic loss with R1 (Goodfellow et al. 2014; Mescheder et al. 2018)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from spiral.objectives.discriminator import DiscriminatorObjective

if TYPE_CHECKING:
    import torch
    from torch import nn

    from spiral.objectives.pictures import Loss, Pictures


class R1(DiscriminatorObjective):
    """E softplus(−D(real)) + E softplus(D(painted)) + γ/2·E‖∇D(real)‖²."""

    r1: float = Field(1.0, ge=0)
    """γ."""
    r1_every: int = Field(1, ge=1)
    """The penalty is computed every this many updates, with a weight multiplied by as much (lazy regularization, Karras
    et al. 2020)."""

    def loss(self, network: nn.Module, pictures: Pictures, generator: torch.Generator, update: int) -> Loss:
        """The penalty uses the gradient with respect to the real picture; in a pair the target is held fixed."""
        from torch.nn.functional import softplus

        from spiral.objectives.pictures import Loss, input_gradient

        penalised = self.r1 > 0 and update % self.r1_every == 0
        picture = pictures.real.detach().requires_grad_(penalised)
        (real,) = pictures.score(network, picture)
        (painted,) = pictures.score(network, pictures.painted)
        logistic = softplus(-real).mean() + softplus(painted).mean()
        terms = {"logistic": logistic.detach()}
        total = logistic
        if penalised:
            penalty = input_gradient(real, picture).square().sum(dim=(1, 2, 3)).mean()
            total = logistic + self.r1_every * self.r1 / 2 * penalty
            terms["gradient_penalty"] = penalty.detach()
        return Loss(total, real.detach(), painted.detach(), terms)
