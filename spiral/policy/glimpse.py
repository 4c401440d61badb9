"""The glimpse: the pixels around the pen, and places chosen by their offset from it.

A line continues in the same way wherever it is. Layers that see the view from the pen, and choose a place by its offset
from there, learn this once and not for each place of the canvas. Glimpses are from Mnih et al., "Recurrent Models of
Visual Attention" (2014). Near offsets have a logit each and far ones share bins, so finer places need few more weights.
With digits and characters as targets nothing else that was tried has gained as much (docs/notebook/targets.md).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from spiral.policy.sight import Sight, around
from spiral.values.actions import ActionSpec

EXACT = 5
"""Distances up to this many places have a bin each."""


class Glimpse(nn.Module):
    """A layer for the glimpse, and a head and an embedding for each component that is a place."""

    about: Tensor
    offsets: Tensor

    def __init__(
        self, spec: ActionSpec, pen: int, picture: tuple[int, int, int], glimpse: int, pictures: int, width: int
    ) -> None:
        """``pen``: the component at whose place an action leaves the pen; ``pictures``: 2 with a target. The glimpse is
        ``glimpse``² pixels of each picture around the pen. ValueError if lattices differ."""
        super().__init__()
        side = spec.components[pen].side
        places = [k for k, component in enumerate(spec.components) if component.kind == "grid"]
        lattices = sorted({spec.components[k].side for k in places})
        if lattices != [side]:
            raise ValueError(f"policy.glimpse: it needs one lattice, this engine has {lattices} a side; expected 0")
        self.view = nn.Linear(glimpse**2 * picture[2] * pictures, width)
        count = (int(bins(side).max()) + 1) ** 2
        self.heads = nn.ModuleDict({str(k): nn.Linear(width, count) for k in places})
        # After the last component nothing is chosen, so it needs no embedding.
        self.chosen = nn.ModuleDict({str(k): nn.Embedding(count, width) for k in places if k + 1 < len(spec)})
        # Not among the weights: they follow from the lattice and the view.
        self.register_buffer("about", around(spec.components[pen], picture, glimpse), persistent=False)
        self.register_buffer("offsets", offsets(side), persistent=False)
        for head in self.heads.values():
            assert isinstance(head, nn.Linear)
            nn.init.zeros_(head.weight)
            nn.init.zeros_(head.bias)
        for embedding in self.chosen.values():
            assert isinstance(embedding, nn.Embedding)
            nn.init.normal_(embedding.weight, std=1 / math.sqrt(width))

    def see(self, sight: Sight) -> Tensor:
        """Features ``[N, D]`` of the pixels around the pens."""
        sight.look(sight.pens, self.about)
        seen: Tensor = self.view(sight.patches)
        return seen

    def logits(self, k: int, features: Tensor, pens: Tensor) -> Tensor:
        """Logits ``[M, places]`` of component ``k``, by the offset of its places from the pens ``[M]``."""
        logits: Tensor = self.heads[str(k)](features)
        return logits.gather(1, self.offsets[pens])

    def embed(self, k: int, chosen: Tensor, pens: Tensor) -> Tensor:
        """Embedding ``[M, D]`` of the place ``chosen`` ``[M]`` of component ``k``, by its offset from the pen."""
        embedded: Tensor = self.chosen[str(k)](self.offsets[pens, chosen])
        return embedded


def offsets(side: int) -> Tensor:
    """The number of the offset from each place to each other place: int64 ``[side², side²]``. Distances that share a
    bin of :func:`bins` share a number."""
    of, place = bins(side), torch.arange(side)
    away = of[place.unsqueeze(0) - place.unsqueeze(1) + side - 1]  # from one row, or column, to another
    number = away[:, None, :, None] * (of.max() + 1) + away[None, :, None, :]
    return number.reshape(side**2, side**2)


def bins(side: int) -> Tensor:
    """The bin of each distance 1 − side … side − 1 between two places along an axis: int64 ``[2 · side − 1]``.

    Distances up to EXACT have a bin each; beyond that, bins are 2, 3, 4, … distances wide.
    """
    distance = torch.arange(1 - side, side, dtype=torch.float64)
    beyond = (((8 * (distance.abs() - EXACT) + 9).clamp(min=9).sqrt() - 3) / 2).ceil()
    number = distance.sign() * (distance.abs().clamp(max=EXACT) + beyond)
    return (number - number.min()).long()
