"""Non-saturating logistic loss with R1 (Goodfellow et al. 2014; Mescheder et al. 2018)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.functional import softplus

from spiral.configuration.schema import DiscriminatorConfig
from spiral.services.discriminator.objectives.objective import Loss, Pictures, input_gradient


@dataclass(frozen=True, slots=True)
class R1:
    """E softplus(−D(real)) + E softplus(D(painted)) + γ/2·E‖∇D(real)‖²."""

    gamma: float
    """γ."""
    every: int
    """Updates for each penalty, which is then as many times as heavy (lazy regularisation, Karras et al. 2020)."""

    def prepare(self, network: nn.Module) -> None:
        """Any network will do."""

    def loss(self, network: nn.Module, pictures: Pictures, generator: torch.Generator, update: int) -> Loss:
        """The penalty is made of the gradient by the real picture; in a pair its target is held fixed."""
        penalised = self.gamma > 0 and update % self.every == 0
        picture = pictures.real.detach().requires_grad_(penalised)
        (real,) = pictures.score(network, picture)
        (painted,) = pictures.score(network, pictures.painted)
        logistic = softplus(-real).mean() + softplus(painted).mean()
        terms = {"logistic": logistic.detach()}
        total = logistic
        if penalised:
            penalty = input_gradient(real, picture).square().sum(dim=(1, 2, 3)).mean()
            total = logistic + self.every * self.gamma / 2 * penalty
            terms["gradient_penalty"] = penalty.detach()
        return Loss(total, real.detach(), painted.detach(), terms)


def build(config: DiscriminatorConfig) -> R1:
    """The objective as configured."""
    return R1(config.r1, config.r1_every)
