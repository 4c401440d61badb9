"""Indices of the pixels around a place, and numbers of offsets from the pen, as spiral/policy computes them."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from spiral.values.actions import Component, middles

EXACT = 5
"""Distances, in places, that have a bin each; the same value as in spiral/policy/glimpse.py."""

Places = NDArray[np.int64]


def around(places: Places, component: Component, picture: tuple[int, int, int], patch: int) -> NDArray[np.int64]:
    """Indices in a flat picture ``[H, W, C]`` of the patches around ``places`` ``[M]``: ``[M, patch² · C]``.

    See :func:`spiral.policy.sight.around`.
    """
    height, width, channels = picture
    reach = np.arange(patch) - patch // 2
    middle = middles(component, height, width)[places]
    rows, columns = (middle[:, axis, None] + reach for axis in (0, 1))
    cells = rows.clip(0, height - 1)[:, :, None] * width + columns.clip(0, width - 1)[:, None, :]
    values = cells[..., None] * channels + np.arange(channels)
    flat: NDArray[np.int64] = values.reshape(len(places), patch * patch * channels)
    return flat


def offsets(pens: Places, side: int) -> NDArray[np.int64]:
    """Number of the offset from each of ``pens`` ``[M]`` to each place: ``[M, side²]``."""
    of = bins(side)
    place = np.arange(side)
    rows = of[place - (pens // side)[:, None] + side - 1]
    columns = of[place - (pens % side)[:, None] + side - 1]
    number: NDArray[np.int64] = rows[:, :, None] * (of.max() + 1) + columns[:, None, :]
    return number.reshape(len(pens), side * side)


@cache
def bins(side: int) -> NDArray[np.int64]:
    """Bin of each distance between two of ``side`` places along an axis, 1 − side … side − 1: ``[2 · side − 1]``.

    See :func:`spiral.policy.glimpse.bins`.
    """
    distance = np.arange(1 - side, side, dtype=np.float64)
    beyond = np.ceil((np.sqrt((8 * (np.abs(distance) - EXACT) + 9).clip(9)) - 3) / 2)
    number = np.sign(distance) * (np.abs(distance).clip(max=EXACT) + beyond)
    binned: NDArray[np.int64] = (number - number.min()).astype(np.int64)
    return binned
