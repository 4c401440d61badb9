"""Fréchet distance between two clouds of features, taken as Gaussians (Heusel et al. 2017, equation 6)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Gaussian:
    """Mean float64 [F] and covariance float64 [F, F] of a cloud of `count` features."""

    mean: NDArray[np.float64]
    covariance: NDArray[np.float64]
    count: int


def gaussian_of(features: NDArray[np.float64]) -> Gaussian:
    """Mean and unbiased covariance of features [N, F].

    Raises ValueError for fewer than F + 1 features (their covariance is singular) or for values that are not finite.
    """
    if features.ndim != 2:
        raise ValueError(f"features: shape {list(features.shape)}; expected [N, F]")
    count, width = features.shape
    if count <= width:
        raise ValueError(
            f"features: {count} are too few for a covariance of {width}×{width}; expected at least {width + 1}"
        )
    if not np.isfinite(features).all():
        raise ValueError("features: some are NaN or infinite; only finite ones have a mean")
    features = features.astype(np.float64, copy=False)
    mean = features.mean(axis=0)
    centred = features - mean
    return Gaussian(mean, centred.T @ centred / (count - 1), count)


def weighted_gaussian(features: NDArray[np.float64], weights: NDArray[np.float64]) -> Gaussian:
    """Mean and unbiased covariance of features [N, F], each counted weights [N] times; all ones: `gaussian_of`."""
    if (weights == 1).all():
        return gaussian_of(features)
    drawn = weights > 0
    some, counts = features[drawn], weights[drawn, np.newaxis]
    total = weights.sum()
    mean = (counts * some).sum(axis=0) / total
    centred = some - mean
    return Gaussian(mean, (counts * centred).T @ centred / (total - 1), int(total))


def frechet_distance(one: Gaussian, other: Gaussian) -> float:
    """|μ₁ − μ₂|² + tr Σ₁ + tr Σ₂ − 2 tr (Σ₁^½ Σ₂ Σ₁^½)^½ in float64; 0 for equal Gaussians, never below 0.

    The root of the symmetric product has the same trace as that of Σ₁Σ₂, but its eigenvalues are real and ≥ 0. So two
    symmetric eigendecompositions replace a general matrix square root; rounding errors below 0 are clipped.
    """
    if one.mean.shape != other.mean.shape:
        raise ValueError(f"features of {one.mean.shape[0]} and of {other.mean.shape[0]} numbers cannot be compared")
    values, vectors = np.linalg.eigh(one.covariance)
    root = (vectors * np.sqrt(values.clip(min=0.0))) @ vectors.T
    product = np.linalg.eigvalsh(root @ other.covariance @ root)
    trace_of_root = np.sqrt(product.clip(min=0.0)).sum()
    apart = one.mean - other.mean
    distance = apart @ apart + np.trace(one.covariance) + np.trace(other.covariance) - 2.0 * trace_of_root
    return max(0.0, float(distance))
