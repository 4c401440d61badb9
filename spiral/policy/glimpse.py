"""What lies about the pen, and places by where they are from it.

A line goes on alike wherever it is. Layers that see the view from the pen, and choose a place by its distance from
there, learn that once, not for each place of the canvas; glimpses are those of Mnih et al., "Recurrent Models of Visual
Attention" (2014). Near offsets have a logit each, far ones share bins, so that finer places need few more weights. With
digits and characters as targets nothing else that was tried has gained as much (docs/notebook/targets.md).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from spiral.policy.sight import Sight, around
from spiral.values.actions import ActionSpec

EXACT = 5
"""Distances, in places, that are told apart one by one."""


class Glimpse(nn.Module):
    """A layer for the glimpse, and for each component that is a place a head and an embedding of its own."""

    about: Tensor
    offsets: Tensor

    def __init__(
        self, spec: ActionSpec, pen: int, picture: tuple[int, int, int], glimpse: int, pictures: int, width: int
    ) -> None:
        """``pen``: the component whose place the pen is at afterwards; ``pictures``: 2 with a target. ``glimpse``²
        pixels about the pen are seen of each. ValueError if lattices differ."""
        super().__init__()
        side = spec.components[pen].side
        places = [k for k, component in enumerate(spec.components) if component.kind == "grid"]
        lattices = sorted({spec.components[k].side for k in places})
        if lattices != [side]:
            raise ValueError(f"policy.glimpse: it needs one lattice, this engine has {lattices} a side; expected 0")
        self.view = nn.Linear(glimpse**2 * picture[2] * pictures, width)
        count = (int(bins(side).max()) + 1) ** 2
        self.heads = nn.ModuleDict({str(k): nn.Linear(width, count) for k in places})
        # Nothing is chosen after the last component.
        self.chosen = nn.ModuleDict({str(k): nn.Embedding(count, width) for k in places if k + 1 < len(spec)})
        # Not in the weights: they follow from the lattice and the view.
        self.register_buffer("about", around(side, picture, glimpse), persistent=False)
        self.register_buffer("offsets", offsets(side), persistent=False)
        for head in self.heads.values():
            assert isinstance(head, nn.Linear)
            nn.init.zeros_(head.weight)
            nn.init.zeros_(head.bias)
        for embedding in self.chosen.values():
            assert isinstance(embedding, nn.Embedding)
            nn.init.normal_(embedding.weight, std=1 / math.sqrt(width))

    def see(self, sight: Sight) -> Tensor:
        """Features of what lies about the pens, ``[N, D]``."""
        sight.look(sight.pens, self.about)
        seen: Tensor = self.view(sight.patches)
        return seen

    def logits(self, k: int, features: Tensor, pens: Tensor) -> Tensor:
        """Logits of component ``k``, by the offset of its places from the pens ``[M]``: ``[M, places]``."""
        logits: Tensor = self.heads[str(k)](features)
        return logits.gather(1, self.offsets[pens])

    def embed(self, k: int, chosen: Tensor, pens: Tensor) -> Tensor:
        """The place ``chosen`` ``[M]`` of component ``k``, as one from the pen: ``[M, D]``."""
        embedded: Tensor = self.chosen[str(k)](self.offsets[pens, chosen])
        return embedded


def offsets(side: int) -> Tensor:
    """Number of the offset from each place to each other one: int64 ``[side², side²]``; distances are told apart as
    :func:`bins` does."""
    of, place = bins(side), torch.arange(side)
    away = of[place.unsqueeze(0) - place.unsqueeze(1) + side - 1]  # from a row, or column, to another
    number = away[:, None, :, None] * (of.max() + 1) + away[None, :, None, :]
    return number.reshape(side**2, side**2)


def bins(side: int) -> Tensor:
    """Bin of each distance of two of ``side`` places along an axis, 1 − side … side − 1: int64 ``[2 · side − 1]``.

    Up to EXACT each has its own; beyond, bins are 2, 3, 4, … distances wide.
    """
    distance = torch.arange(1 - side, side, dtype=torch.float64)
    beyond = (((8 * (distance.abs() - EXACT) + 9).clamp(min=9).sqrt() - 3) / 2).ceil()
    number = distance.sign() * (distance.abs().clamp(max=EXACT) + beyond)
    return (number - number.min()).long()
