"""How sure a figure is: the bootstrap (Efron 1979), which draws the same pictures again with repetition."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Enough for the ends of a 95 % interval to be steady to about a tenth of its width.
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
    """Lay the spread of the resampled figures about their mean around the figure itself.

    Distances between distributions grow when pictures repeat, so the resampled ones lie above the figure, all by about
    as much; their spread is what the choice of pictures does to it. `least` is the lowest possible value.
    """
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(resampled, [tail, 1 - tail]) - resampled.mean() + value
    return Estimate(float(value), max(least, float(low)), float(high), n)


def estimate_mean(values: NDArray[np.float64], weights: NDArray[np.float64]) -> Estimate:
    """The mean of one number a picture, float64 [n], with its interval from weights [R, n]."""
    return estimate(float(values.mean()), weights @ values / len(values), len(values))


def estimate_by(
    figure: Callable[[NDArray[np.float64]], float], n: int, weights: NDArray[np.float64], least: float = -np.inf
) -> Estimate:
    """A figure that takes one weight a picture, float64 [n], with its interval from weights [R, n]."""
    return estimate(figure(np.ones(n)), np.array([figure(drawn) for drawn in weights]), n, least)


def estimate_count(value: int, resampled: NDArray[np.int64], n: int) -> Estimate:
    """A whole number with the quantiles of the resampled ones, which are whole too."""
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(resampled, [tail, 1 - tail], method="nearest")
    return Estimate(float(value), float(low), float(high), n)
