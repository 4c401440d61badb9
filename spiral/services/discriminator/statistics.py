"""Running mean and deviation of scores."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DECAY = 0.9
"""Each batch of scores counts this much less than the next. About ten batches make the figure: short enough to follow
a network whose scores move, and long enough for a steady deviation."""


@dataclass(frozen=True, slots=True)
class Statistics:
    """Mean and standard deviation of the scores of ``count`` pictures; with 0 pictures they mean nothing."""

    mean: float = 0.0
    deviation: float = 0.0
    count: int = 0


@dataclass(slots=True)
class RunningStatistics:
    """Mean and deviation over recent batches, older ones fading by ``DECAY``."""

    weight: float = 0.0
    mean: float = 0.0
    variance: float = 0.0

    def add(self, scores: NDArray[np.float32]) -> None:
        """Take in a batch of scores of any shape. (Moments are merged as in Chan et al. 1979.)"""
        faded, new = self.weight * DECAY, float(scores.size)
        mean, variance = float(scores.mean(dtype=np.float64)), float(scores.var(dtype=np.float64))
        self.weight = faded + new
        share = new / self.weight
        shift = mean - self.mean
        self.variance = (1 - share) * self.variance + share * variance + share * (1 - share) * shift * shift
        self.mean += share * shift

    def now(self) -> Statistics:
        """The current figures."""
        return Statistics(self.mean, math.sqrt(self.variance), round(self.weight))
