"""How different paintings are from each other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# If fewer paintings show a class, it may be the classifier's mistake: it errs on one real digit in a hundred.
COVERED_SHARE = 0.01


def pairwise_distances(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Root mean squared difference of each two pictures, pixels 0…1: uint8 [N, H, W, C] → float64 [N, N] in 0…1."""
    flat = images.reshape(len(images), -1).astype(np.float64) / 255.0
    squares = (flat**2).sum(axis=1)
    apart = squares[:, np.newaxis] + squares - 2 * flat @ flat.T
    distances: NDArray[np.float64] = np.sqrt(apart.clip(min=0.0) / flat.shape[1])
    np.fill_diagonal(distances, 0.0)
    return distances


def mean_pairwise(distances: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean distance over pairs of different pictures, for each weighting: [N, N], [R, N] → float64 [R].

    A picture is never paired with itself, even if it counts several times. Raises ValueError for fewer than 2.
    """
    if len(distances) < 2:
        raise ValueError(f"diversity: {len(distances)} pictures have no pair; expected at least 2")
    pairs = weights.sum(axis=1) ** 2 - (weights**2).sum(axis=1)
    means: NDArray[np.float64] = (weights * (weights @ distances)).sum(axis=1) / pairs
    return means


def classes_covered(classes: NDArray[np.int64], count: int, weights: NDArray[np.float64]) -> NDArray[np.int64]:
    """How many of `count` classes at least one in a hundred pictures shows, for each weighting.

    `classes` int64 [N] is what each picture shows, weights [R, N] how often it counts: int64 [R].
    """
    shown = weights @ (classes[:, np.newaxis] == np.arange(count))
    least = np.maximum(1.0, COVERED_SHARE * weights.sum(axis=1, keepdims=True))
    covered: NDArray[np.int64] = (shown >= least).sum(axis=1)
    return covered
