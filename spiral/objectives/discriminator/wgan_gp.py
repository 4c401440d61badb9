"""Wasserstein critic with gradient penalty (Gulrajani et al. 2017; docs/method.md, 1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from spiral.objectives.discriminator import DiscriminatorObjective

if TYPE_CHECKING:
    import torch
    from torch import nn

    from spiral.objectives.pictures import Loss, Pictures


class WganGp(DiscriminatorObjective):
    """−E D(real) + E D(painted) + λ·E(‖∇D(x̂)‖₂ − 1)² + κ·(½·E D(real) + ½·E D(painted))².

    Use it with a network that does not couple the pictures of a batch.
    """

    gradient_penalty: float = Field(10.0, ge=0)
    """λ."""
    centring: float = Field(1e-3, ge=0)
    """κ: a critic is only defined up to a constant, but its scores are rewards, so their mean is held at 0."""

    def loss(self, network: nn.Module, pictures: Pictures, generator: torch.Generator, update: int) -> Loss:
        """x̂ lies between each real picture and its painting, at its own random point; the target is held fixed."""
        import torch

        from spiral.objectives.pictures import Loss, input_gradient

        place = torch.rand(len(pictures.real), 1, 1, 1, generator=generator).to(pictures.real)
        between = torch.lerp(pictures.painted, pictures.real, place).requires_grad_()
        (score,) = pictures.score(network, between)
        gradient = input_gradient(score, between)
        penalty = (gradient.flatten(1).norm(dim=1) - 1).square().mean()
        real, painted = pictures.score(network, pictures.real, pictures.painted)
        distance = painted.mean() - real.mean()
        middle = (real.mean() + painted.mean()) / 2
        total = distance + self.gradient_penalty * penalty + self.centring * middle.square()
        return Loss(
            total,
            real.detach(),
            painted.detach(),
            {"distance": distance.detach(), "gradient_penalty": penalty.detach()},
        )
