"""A batch with the discriminator's scores, ready to be learned from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spiral.services.learner.unrolls import Places
from spiral.values.trajectories import Trajectory


@dataclass(frozen=True, slots=True)
class ScoredBatch:
    """A batch of episodes and its scores."""

    trajectory: Trajectory
    where: Places
    """Places of the batch in its episodes."""
    oldest: int
    """Number of the oldest weights that painted it."""
    newest: int
    """Number of the newest weights that painted it."""
    terms: Mapping[str, NDArray[np.float32]]
    """Scores ``[T + 1, B]`` of the observations, by term."""
    score_real: float
    score_painted: float


@dataclass(frozen=True, slots=True)
class Lag:
    """Age of the weights that painted a batch, in updates."""

    least: int
    most: int

    @property
    def mean(self) -> float:
        """The midpoint of both."""
        return (self.least + self.most) / 2
