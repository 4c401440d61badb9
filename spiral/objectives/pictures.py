"""Input and output of a discriminator objective: pictures, which the network sees in pairs, and a loss."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from spiral.computing.precision import FP32, Precision


@dataclass(frozen=True, slots=True)
class Pictures:
    """The pictures of one update. All are float32 [N, C, H, W] in −1…1 with the same N."""

    real: Tensor
    """Pictures of the data set; in a conditional run the targets themselves (docs/method.md, 2)."""
    painted: Tensor
    """Remembered paintings."""
    target: Tensor | None = None
    """The target of each painting, which is the second half of both pairs; None in an unconditional run."""
    mask: Tensor | None = None
    """Complement masks [N, 1, H, W] of 0 and 1; a sample's real pair and painted pair share its mask."""
    precision: Precision = FP32
    """Precision of the network's computations."""

    def score(self, network: nn.Module, *paintings: Tensor) -> tuple[Tensor, ...]:
        """Scores float32 [N] of each of ``paintings`` [N, C, H, W], paired with their targets, in one pass.

        If a penalty needs the gradient by the pictures, the pass always uses float32: it is a gradient of gradients,
        and bfloat16 would round each of them.
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
    """A loss and the scores that it was computed from."""

    total: Tensor
    """Scalar to minimize."""
    real: Tensor
    """[N] scores of the real pictures, detached."""
    painted: Tensor
    """[N] scores of the paintings, detached."""
    terms: dict[str, Tensor] = field(default_factory=dict)
    """Named scalars that make up the total, detached; for display."""


def input_gradient(scores: Tensor, painting: Tensor) -> Tensor:
    """Gradient of each picture's score with respect to its pixels, [N, C, H, W]; differentiable by the weights."""
    (gradient,) = torch.autograd.grad(scores.sum(), painting, create_graph=True)
    return gradient


def pair(painting: Tensor, target: Tensor | None, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """What the network sees of paintings and their targets ``[N, C, H, W]``; hidden pixels are mid gray (0)."""
    if mask is None or target is None:
        return painting, target
    return painting * mask, target * (1 - mask)
