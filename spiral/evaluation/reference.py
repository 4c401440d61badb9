"""Real pictures, as an encoder sees them, and how far paintings are from them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from spiral.datasets import Dataset
from spiral.evaluation.bootstrap import Estimate, estimate, estimate_by, weights_of
from spiral.evaluation.encoders import Encoder
from spiral.evaluation.frechet import Gaussian, frechet_distance, gaussian_of, weighted_gaussian
from spiral.evaluation.kernel import RealKernel, kernel_distances

# So many real training pictures stand for perfect paintings at most; more would only cost time.
MOST_REAL = 10_000
# The kernel distance takes every pair: beyond so many pictures of a side it costs minutes and has no bias to lose.
MOST_PAIRED = 4_096
# Which real pictures stand in is drawn once, so that a figure is the same in every evaluation.
_SEED = 0


@dataclass(frozen=True, slots=True)
class Distances:
    """Fréchet and kernel distance of some pictures to the real ones of a reference."""

    fid: Estimate
    kid: Estimate


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """The test pictures of a data set as an encoder sees them; `train` are features of training pictures."""

    data: str
    encoder: Encoder
    test: Gaussian
    kernel: RealKernel
    train: NDArray[np.float64]

    @staticmethod
    def of(data: Dataset, encoder: Encoder) -> Reference:
        """Encode a data set in the encoder's view.

        Raises ValueError where its test pictures are fewer than the covariance of the features needs.
        """
        test = encoder.encode(data.test).features
        fewest = test.shape[1] + 1
        if len(test) < fewest:
            raise ValueError(
                f"{data.name}: {len(test)} test pictures are too few for the covariance of the {encoder.name}'s "
                f"{fewest - 1} features; at least {fewest} are needed"
            )
        drawn = np.random.default_rng(_SEED)
        train = encoder.encode(data.train[drawn.permutation(len(data.train))[:MOST_REAL]]).features
        paired = test[drawn.permutation(len(test))[:MOST_PAIRED]]
        return Reference(data.name, encoder, gaussian_of(test), RealKernel.of(paired), train)

    def distances(self, features: NDArray[np.float64], seed: int) -> Distances:
        """How far features [N, F] of pictures are from the real test pictures, with 95 % intervals.

        The interval is that of the choice of these pictures; the real ones stay as they are. Raises ValueError for
        N ≤ F.
        """
        gaussian_of(features)  # refuses too few before the long part
        fid = estimate_by(partial(_fid, self.test, features), len(features), weights_of(len(features), seed), least=0.0)
        few = features[:MOST_PAIRED]
        weights = weights_of(len(few), seed)
        kid, *resampled = kernel_distances(few, self.kernel, np.concatenate([np.ones((1, len(few))), weights]))
        return Distances(fid, estimate(kid, np.array(resampled), len(few)))

    def real_distances(self, n: int, seed: int) -> Distances | None:
        """The same for n real training pictures, or as many as there are: what perfect paintings would get.

        None where there are too few.
        """
        train = self.train[:n]
        return self.distances(train, seed) if len(train) > train.shape[1] else None


def _fid(real: Gaussian, features: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    return frechet_distance(weighted_gaussian(features, weights), real)
