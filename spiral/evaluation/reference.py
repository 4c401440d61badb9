"""Encoded real pictures, and how far paintings are from them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from spiral.datasets import Dataset
from spiral.datasets.splits import ADJECTIVES, Split
from spiral.evaluation.bootstrap import Estimate, estimate, estimate_by, estimate_mean, weights_of
from spiral.evaluation.encoders import Encoder
from spiral.evaluation.frechet import Gaussian, frechet_distance, gaussian_of, weighted_gaussian
from spiral.evaluation.kernel import RealKernel, kernel_distances
from spiral.evaluation.manifold import inside

# At most this many real pictures represent perfect paintings; more would only cost time.
MOST_REAL = 10_000
# The kernel distance takes every pair: with more pictures it costs minutes, and it has no bias that they would reduce.
MOST_PAIRED = 4_096
# Which real pictures are used is drawn once, so that a figure is the same in every evaluation.
_SEED = 0


@dataclass(frozen=True, slots=True)
class Distances:
    """How far pictures are from the real ones of a reference, and how far the two sets overlap."""

    fid: Estimate
    kid: Estimate
    precision: Estimate
    recall: Estimate


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """The encoded pictures of a split.

    `others` are features of other real pictures: of training pictures, or of test pictures if the split is training.
    """

    split: Split
    encoder: Encoder
    real: Gaussian
    kernel: RealKernel
    others: NDArray[np.float64]

    @staticmethod
    def of(data: Dataset, encoder: Encoder, split: Split = "test") -> Reference:
        """Encode a data set in the encoder's view; a large training split is represented by some of its pictures.

        Raises ValueError if the split's pictures are fewer than the covariance of the features needs.
        """
        drawn = np.random.default_rng(_SEED)
        pictures, others = data.split(split)[0], data.split("test" if split == "train" else "train")[0]
        others = others[drawn.permutation(len(others))[:MOST_REAL]]
        if split == "train":
            pictures = pictures[drawn.permutation(len(pictures))[:MOST_REAL]]
        real = encoder.encode(pictures).features
        fewest = real.shape[1] + 1
        if len(real) < fewest:
            raise ValueError(
                f"{data.name}: {len(real)} {ADJECTIVES[split]} pictures are too few for the covariance of the "
                f"{encoder.name}'s {fewest - 1} features; expected at least {fewest}"
            )
        paired = RealKernel.of(real[drawn.permutation(len(real))[:MOST_PAIRED]])
        return Reference(split, encoder, gaussian_of(real), paired, encoder.encode(others).features)

    def distances(self, features: NDArray[np.float64], seed: int) -> Distances:
        """How far features [N, F] of pictures are from the real ones, with 95 % intervals.

        The interval covers the choice of these pictures; the real ones are fixed. Only for recall, which is a share of
        the real ones, it covers their choice. Raises ValueError for N ≤ F.
        """
        gaussian_of(features)  # refuses too few before the long part
        fid = estimate_by(partial(_fid, self.real, features), len(features), weights_of(len(features), seed), least=0.0)
        few = features[:MOST_PAIRED]
        weights = weights_of(len(few), seed)
        kid, *resampled = kernel_distances(few, self.kernel, np.concatenate([np.ones((1, len(few))), weights]))
        n = min(len(few), len(self.kernel.features))  # a manifold grows with fewer pictures
        painted, real = few[:n], self.kernel.features[:n]
        return Distances(
            fid,
            estimate(kid, np.array(resampled), len(few)),
            _share(inside(painted, real), seed),
            _share(inside(real, painted), seed),
        )

    def real_distances(self, n: int, seed: int) -> Distances | None:
        """The same for n real pictures of another split, or as many as there are: the values of perfect paintings.

        None if there are too few.
        """
        others = self.others[:n]
        return self.distances(others, seed) if len(others) > others.shape[1] else None


def _fid(real: Gaussian, features: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    return frechet_distance(weighted_gaussian(features, weights), real)


def _share(found: NDArray[np.bool_], seed: int) -> Estimate:
    return estimate_mean(found.astype(np.float64), weights_of(len(found), seed))
