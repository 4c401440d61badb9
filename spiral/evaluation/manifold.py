"""Precision and recall of paintings (Kynkäänniemi et al. 2019, algorithm 1).

The manifold of a set of pictures is the union of balls around their features; each ball reaches to the third nearest
neighbor within the set. Precision is the share of paintings in the manifold of the real pictures; recall is the share
of real pictures in the manifold of the paintings.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

NEIGHBOURS = 3
# Rows of a matrix of distances at a time: 512 × 4,096 float64 are 17 MB.
_ROWS = 512


def inside(points: NDArray[np.float64], support: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which of the features [N, F] lie in the manifold of features [M, F]: bool [N]. Raises ValueError for M ≤ 3."""
    if len(support) <= NEIGHBOURS:
        raise ValueError(
            f"manifold: {len(support)} pictures have no {NEIGHBOURS} neighbors; expected at least {NEIGHBOURS + 1}"
        )
    reach = _squared_reach(support)
    found = np.empty(len(points), np.bool_)
    for start in range(0, len(points), _ROWS):
        rows = slice(start, start + _ROWS)
        found[rows] = (_squared_distances(points[rows], support) <= reach).any(axis=1)
    return found


def _squared_reach(support: NDArray[np.float64]) -> NDArray[np.float64]:
    """The squared distance of each row [M, F] to its third nearest other row: [M]."""
    reach = np.empty(len(support))
    for start in range(0, len(support), _ROWS):
        rows = slice(start, start + _ROWS)
        apart = _squared_distances(support[rows], support)
        np.fill_diagonal(apart[:, start:], np.inf)  # no row is its own neighbor
        reach[rows] = np.partition(apart, NEIGHBOURS - 1, axis=1)[:, NEIGHBOURS - 1]
    return reach


def _squared_distances(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Squared distances of features [N, F] and [M, F]: [N, M]."""
    squares = (one**2).sum(axis=1)[:, np.newaxis] + (other**2).sum(axis=1)
    distances: NDArray[np.float64] = (squares - 2 * one @ other.T).clip(min=0.0)
    return distances
