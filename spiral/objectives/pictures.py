"""What a discriminator objective is given: pictures, which the network sees in pairs; and what it returns."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from spiral.computing.precision import FP32, Precision


@dataclass(frozen=True, slots=True)
class Pictures:
    """What one update learns from. All are float32 [N, C, H, W] in −1…1; N is the same for all."""

    real: Tensor
    """Pictures of the data set; in a conditional run the targets themselves (docs/method.md, 2)."""
    painted: Tensor
    """Remembered paintings."""
    target: Tensor | None = None
    """What each painting was to reproduce, and the second half of both pairs; None in an unconditional run."""
    mask: Tensor | None = None
    """Complement masks [N, 1, H, W] of 0 and 1: each sample's, for its real pair and its painted one alike."""
    precision: Precision = FP32
    """What the network computes in."""

    def score(self, network: nn.Module, *paintings: Tensor) -> tuple[Tensor, ...]:
        """Scores float32 [N] of one or several [N, C, H, W], each picture in a pair with its target, in one pass.

        A pass through which a penalty looks at the pictures' gradients is made in float32 in any case: it is a gradient
        of gradients, and bfloat16 would round each of them.
        """
        count = len(paintings)
        target = None if self.target is None else self.target.repeat(count, 1, 1, 1)
        mask = None if self.mask is None else self.mask.repeat(count, 1, 1, 1)
        precision = FP32 if any(pictures.requires_grad for pictures in paintings) else self.precision
        with precision.autocast():
            scores: Tensor = network(*pair(torch.cat(paintings), target, mask))
        return scores.to(paintings[0].dtype).chunk(count)


@dataclass(frozen=True, slots=True)
class Loss:
    """A loss and what was seen on the way."""

    total: Tensor
    """Scalar to minimize."""
    real: Tensor
    """[N] scores of the real pictures, without graph."""
    painted: Tensor
    """[N] scores of the paintings, without graph."""
    terms: dict[str, Tensor] = field(default_factory=dict)
    """Named scalars that the total is made of, without graph; for display."""


def input_gradient(scores: Tensor, painting: Tensor) -> Tensor:
    """Gradient of each picture's own score by its pixels, [N, C, H, W], itself differentiable by the weights."""
    (gradient,) = torch.autograd.grad(scores.sum(), painting, create_graph=True)
    return gradient


def pair(painting: Tensor, target: Tensor | None, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """What the network sees of paintings and their targets ``[N, C, H, W]``; hidden pixels are mid gray (0)."""
    if mask is None or target is None:
        return painting, target
    return painting * mask, target * (1 - mask)
