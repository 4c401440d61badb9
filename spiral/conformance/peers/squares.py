"""A graphics engine of a few lines: an action paints a gray square, so that every pixel can be foretold."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spiral.values.actions import ActionSpec, Component

SIDE, CELLS = 32, 4
"""Pixels of the canvas, and places on it, along a side."""
SHAPE = (SIDE, SIDE, 1)
SPEC = ActionSpec(
    (
        Component("flag", 2, "choice"),
        Component("end", CELLS * CELLS, "grid"),
        Component("size", 4, "choice"),
        Component("pressure", 10, "choice"),
    ),
    ((True, True, False, False), (True, True, True, True)),
)
"""The names are those that a run's settings speak of (``learner.entropy_costs``)."""
BLANK = 255


def blank(batch: int) -> NDArray[np.uint8]:
    """White canvases, [B, H, W, C]."""
    return np.full((batch, *SHAPE), BLANK, np.uint8)


def paint(canvases: NDArray[np.uint8], actions: NDArray[np.int32]) -> NDArray[np.uint8]:
    """The canvases [B, H, W, C] after one action [B, K] each, which are in range; flag 0 only moves."""
    after, cell = canvases.copy(), SIDE // CELLS
    for canvas, (flag, end, size, pressure) in zip(after, actions.tolist(), strict=True):
        if flag:
            row, column = (cell * place for place in divmod(end, CELLS))
            side = 2 * (size + 1)
            square = canvas[row : row + side, column : column + side]
            np.minimum(square, np.uint8(BLANK - 25 * (pressure + 1)), out=square)
    return after
