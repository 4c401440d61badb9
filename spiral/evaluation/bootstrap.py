"""The uncertainty of a figure by the bootstrap (Efron 1979), which resamples the same pictures with repetition."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Enough for the ends of a 95 % interval to be stable to about a tenth of its width.
RESAMPLES = 400
LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure and its 95 % interval from resampling `n` pictures."""

    value: float
    low: float
    high: float
    n: int


def weights_of(n: int, seed: int, resamples: int = RESAMPLES) -> NDArray[np.float64]:
    """How often each of n pictures is drawn in each of the resamples of size n: float64 [resamples, n]."""
    return np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=resamples).astype(np.float64)


def estimate(value: float, resampled: NDArray[np.float64], n: int, least: float = -np.inf) -> Estimate:
    """The figure with the spread of the resampled figures about their own mean.

    Distances between distributions grow when pictures repeat, so all resampled figures lie above the figure by about
    the same amount. Only their spread shows the effect of the choice of pictures. `least` is the lowest possible value.
    """
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(resampled, [tail, 1 - tail]) - resampled.mean() + value
    return Estimate(float(value), max(least, float(low)), float(high), n)


def estimate_mean(values: NDArray[np.float64], weights: NDArray[np.float64]) -> Estimate:
    """The mean of one number per picture, float64 [n], with its interval from weights [R, n]."""
    return estimate(float(values.mean()), weights @ values / len(values), len(values))


def estimate_by(
    figure: Callable[[NDArray[np.float64]], float], n: int, weights: NDArray[np.float64], least: float = -np.inf
) -> Estimate:
    """A figure that takes one weight per picture, float64 [n], with its interval from weights [R, n]."""
    return estimate(figure(np.ones(n)), np.array([figure(drawn) for drawn in weights]), n, least)


def estimate_count(value: int, resampled: NDArray[np.int64], n: int) -> Estimate:
    """An integer figure with the quantiles of the resampled ones, which are integers, too."""
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(resampled, [tail, 1 - tail], method="nearest")
    return Estimate(float(value), float(low), float(high), n)
