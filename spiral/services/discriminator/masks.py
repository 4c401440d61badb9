"""Complement masks: what is judged of a painting, and what the judge sees of the target instead.

With the whole target twice in every real pair, a critic need only compare pixel with pixel. Beside the masked painting
it therefore sees only what the mask hides of the target (Mellor et al. 2019; docs/method.md, 3).
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

Kind = Literal["halves", "random"]

CELLS = 4
"""``random`` keeps or hides cells, so many along each side: single pixels could be guessed from their neighbors."""


def draw_masks(kind: Kind, count: int, height: int, width: int, generator: torch.Generator) -> Tensor:
    """``count`` masks, float32 ``[N, 1, height, width]`` of 0 and 1; ``generator`` is on the CPU.

    ``halves``: the left, right, upper or lower half is 1. ``random``: each of 4×4 cells is 1 or 0; never all are equal.
    """
    if kind == "halves":
        side = torch.randint(4, (count, 1, 1, 1), generator=generator)
        low = torch.where(
            side < 2,
            (torch.arange(width) < width // 2).view(1, 1, 1, width),
            (torch.arange(height) < height // 2).view(1, 1, height, 1),
        )
        return torch.where(side % 2 == 0, low, ~low).float()
    # As numbers 1 … 2^16 − 2, whose bits are the cells: all but "none" and "all", each equally likely.
    numbers = torch.randint(1, 2 ** (CELLS * CELLS) - 1, (count, 1), generator=generator)
    cells = (numbers >> torch.arange(CELLS * CELLS) & 1).view(count, 1, CELLS, CELLS)
    rows, columns = torch.arange(height) * CELLS // height, torch.arange(width) * CELLS // width
    return cells[:, :, rows][..., columns].float()
