"""Kernel distance between two clouds of features, which is unbiased (KID: Bińkowski et al. 2018, section 4)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Rows of the kernel's matrix at a time: 512 × 5,000 float64 are 20 MB.
_ROWS = 512


def kernel(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """k(x, y) = (x·y / F + 1)³ of features [N, F] and [M, F]: float64 [N, M]."""
    values: NDArray[np.float64] = (one @ other.T / one.shape[1] + 1.0) ** 3
    return values


@dataclass(frozen=True, slots=True, eq=False)
class RealKernel:
    """The real pictures' part of the kernel distance, computed once: their features and their mean over pairs."""

    features: NDArray[np.float64]
    among_pairs: float

    @staticmethod
    def of(features: NDArray[np.float64]) -> RealKernel:
        """Compute it from real features [M, F]; raises ValueError for fewer than 2, which have no pair."""
        ones = np.ones((1, len(features)))
        return RealKernel(features, float(_among_pairs(features, ones)[0]))


def kernel_distances(
    painted: NDArray[np.float64], real: RealKernel, weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The unbiased squared maximum mean discrepancy for each weighting of the painted features.

    Features [N, F], weights [R, N] (how often each counts; all ones for the figure itself) → float64 [R]. A picture is
    never paired with itself, even if it counts several times. The value can be below 0. Raises ValueError for fewer
    than 2 features.
    """
    if painted.shape[1:] != real.features.shape[1:]:
        raise ValueError(f"features of {painted.shape[1]} and of {real.features.shape[1]} numbers cannot be compared")
    across = np.concatenate(
        [kernel(painted[start : start + _ROWS], real.features).mean(axis=1) for start in range(0, len(painted), _ROWS)]
    )
    distances: NDArray[np.float64] = (
        _among_pairs(painted, weights) + real.among_pairs - 2 * (weights @ across) / weights.sum(axis=1)
    )
    return distances


def _among_pairs(features: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weighted mean of the kernel over all pairs of different rows: [N, F], [R, N] → [R]."""
    if len(features) < 2:
        raise ValueError(f"kernel distance: {len(features)} pictures have no pair; expected at least 2")
    total = np.zeros(len(weights))
    for start in range(0, len(features), _ROWS):
        rows = slice(start, start + _ROWS)
        values = kernel(features[rows], features)
        np.fill_diagonal(values[:, start:], 0.0)  # no row is paired with itself
        total += (weights[:, rows] * (weights @ values.T)).sum(axis=1)
    pairs: NDArray[np.float64] = weights.sum(axis=1) ** 2 - (weights**2).sum(axis=1)
    return total / pairs
