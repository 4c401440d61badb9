"""Complement masks: which part of a painting the judge sees, and which part of the target it sees instead.

If every real pair were the whole target twice, a critic would only need to compare pixels. So it sees the masked
painting and, of the target, only what the mask hides (Mellor et al. 2019; docs/method.md, 3).
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

Kind = Literal["halves", "random"]

CELLS = 4
"""``random`` keeps or hides whole cells, this many along each side; single pixels could be guessed from neighbors."""


def draw_masks(kind: Kind, count: int, height: int, width: int, generator: torch.Generator) -> Tensor:
    """``count`` masks, float32 ``[N, 1, height, width]`` of 0 and 1; ``generator`` is on the CPU.

    ``halves``: the left, right, upper or lower half is 1. ``random``: each of 4×4 cells is 1 or 0, never all equal.
    """
    if kind == "halves":
        side = torch.randint(4, (count, 1, 1, 1), generator=generator)
        low = torch.where(
            side < 2,
            (torch.arange(width) < width // 2).view(1, 1, 1, width),
            (torch.arange(height) < height // 2).view(1, 1, height, 1),
        )
        return torch.where(side % 2 == 0, low, ~low).float()
    # Numbers 1 … 2^16 − 2, whose bits are the cells: every choice but "none" and "all" is equally likely.
    numbers = torch.randint(1, 2 ** (CELLS * CELLS) - 1, (count, 1), generator=generator)
    cells = (numbers >> torch.arange(CELLS * CELLS) & 1).view(count, 1, CELLS, CELLS)
    rows, columns = torch.arange(height) * CELLS // height, torch.arange(width) * CELLS // width
    return cells[:, :, rows][..., columns].float()
