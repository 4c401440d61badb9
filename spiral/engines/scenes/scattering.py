"""Random scenes: uniform among those in which no two objects touch and each can be seen."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from spiral.engines.objects import Objects
from spiral.engines.scenes.geometry import BOX_HALF, CAPSULE, CYLINDER, GRID, RADII

REACH = np.array([BOX_HALF * math.sqrt(2), 1.0, CYLINDER[0], sum(CAPSULE)])
"""By type, in radii: distance from the middle of an object, seen from straight above, to its farthest point."""
FEWEST_PIXELS = 12
"""Pixels of a 64 × 64 canvas at which each object must be visible; the smallest, at the far edge, has about twenty."""
_ATTEMPTS = 10_000

Seen = Callable[[Objects], NDArray[np.int32]]


def scatter(count: int, fewest: int, most: int, seed: int, sizes: tuple[int, ...], seen: Seen) -> Objects:
    """``count`` different scenes of ``fewest`` to ``most`` objects, each number of objects equally often.

    ``sizes``: number of values of each attribute; ``seen`` returns the number of pixels at which each object of scenes
    is visible, int32 ``[B, N]``. ValueError if there are not that many scenes.
    """
    rng = np.random.default_rng(seed)
    counts = rng.integers(fewest, most + 1, count, dtype=np.int32)
    objects = np.zeros((count, most, len(sizes)), np.int32)
    there = np.arange(most) < counts[:, None]
    missing = np.arange(count)
    for _ in range(_ATTEMPTS):
        # A scene is rejected as a whole, so that all remaining scenes are equally likely.
        objects[missing] = rng.integers(0, sizes, (len(missing), most, len(sizes))) * there[missing, :, None]
        good = apart(objects[missing], there[missing])
        tried = missing[good]
        visible = (seen(Objects(objects[tried], counts[tried])) >= FEWEST_PIXELS) | ~there[tried]
        accepted = np.ones(count, np.bool_)
        accepted[missing] = False
        accepted[tried[visible.all(1)]] = True
        accepted &= _first_of_its_kind(objects, there, sizes, accepted)
        missing = np.flatnonzero(~accepted)
        if not len(missing):
            return Objects(objects, counts)
    raise ValueError(
        f"scenes: {len(missing)} of {count} could not be made of {fewest} to {most} objects; ask for fewer"
    )


def apart(objects: NDArray[np.int32], there: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """In which scenes ``[B, N, 6]`` no two objects that are ``there`` touch, judged by circles around them: ``[B]``."""
    kind, place, size = (objects[..., k] for k in range(3))
    reach = REACH[kind] * np.array(RADII)[size]
    row, column = place // GRID, place % GRID
    distance = ((row[:, :, None] - row[:, None]) ** 2 + (column[:, :, None] - column[:, None]) ** 2) * (2 / GRID) ** 2
    touch = distance < (reach[:, :, None] + reach[:, None]) ** 2
    both = there[:, :, None] & there[:, None] & ~np.eye(objects.shape[1], dtype=np.bool_)
    alone: NDArray[np.bool_] = ~(touch & both).any((1, 2))
    return alone


def _first_of_its_kind(
    objects: NDArray[np.int32], there: NDArray[np.bool_], sizes: tuple[int, ...], among: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Which scenes ``among`` some have no earlier one with the same objects: bool ``[B]``, False for all others."""
    numbers = np.ravel_multi_index(tuple(np.moveaxis(objects, -1, 0)), sizes)
    alike = np.sort(np.where(there, numbers, -1), axis=1)
    rows = np.flatnonzero(among)
    found = np.zeros(len(objects), np.bool_)
    found[rows[np.unique(alike[rows], axis=0, return_index=True)[1]]] = True
    return found
