"""LeNet-FID and related figures: how much paintings look like handwritten digits."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spiral.datasets import Dataset, DatasetMissingError, load
from spiral.datasets.splits import HeldOut
from spiral.datasets.views import resize, with_channels
from spiral.evaluation.features import SIDE
from spiral.evaluation.frechet import Gaussian, frechet_distance, gaussian_of
from spiral.evaluation.lenet import CLASSES, LeNet, features_and_probabilities, load_lenet

DIGITS = ("mnist", "mnist-sample")
"""Data sets of digits, for which the LeNet is also a classifier."""
# At most this many training digits represent the real ones; all 60,000 would only cost time.
_MOST_REAL = 10_000
# Which training digits stand for the real ones is drawn once, so that the figure is the same in every evaluation.
_SEED = 0


@dataclass(frozen=True, slots=True)
class DigitsReport:
    """The figures of an evaluation; `text` says them in sentences.

    `lenet_fid`: paintings against the reference's digits of `split`, lower is better. `real_fid`: as many training
    digits as there are paintings (`real_n`; fewer if the set has fewer, and at most 10,000)
    against the same: the value of perfect paintings.
    `class_histogram`: paintings by the class the LeNet sees, ten counts. `mean_top_probability`: how sure it is, 0…1.
    """

    lenet_fid: float
    real_fid: float
    n: int
    real_n: int
    reference: str
    reference_size: int
    class_histogram: tuple[int, ...]
    mean_top_probability: float
    split: HeldOut = "test"

    @property
    def text(self) -> str:
        """The report in three lines, with what the figures were measured against."""
        stand_in = (
            ""
            if self.reference == "mnist"
            else "; they stand in for those of mnist, which is not here or was not chosen"
        )
        classes = " ".join(f"{digit}:{count}" for digit, count in enumerate(self.class_histogram))
        return (
            f"LeNet-FID {self.lenet_fid:.1f} ({self.n:,} paintings against the {self.reference_size:,} {self.split} "
            f"digits of {self.reference}{stand_in})\n"
            f"real against real {self.real_fid:.1f} ({self.real_n:,} training digits against the same)\n"
            f"seen as {classes}, top probability {self.mean_top_probability:.2f} on average"
        )

    def as_dict(self) -> dict[str, Any]:
        """The report as plain values for JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True, eq=False)
class DigitsReference:
    """Features of a split's real digits: computed once, compared with many times."""

    name: str
    split: HeldOut
    real: Gaussian
    train_features: NDArray[np.float64]
    network: LeNet

    @staticmethod
    def of(data: Dataset, network: LeNet | None = None, split: HeldOut = "test") -> DigitsReference:
        """Compute the features of a data set of digits (any square view) with the shipped LeNet or another."""
        network = load_lenet() if network is None else network
        real, _ = features_and_probabilities(network, views_of_lenet(data.split(split)[0]))
        drawn = np.random.default_rng(_SEED).permutation(len(data.train))[:_MOST_REAL]
        train, _ = features_and_probabilities(network, views_of_lenet(data.train[drawn]))
        return DigitsReference(data.name, split, gaussian_of(real), train, network)

    def evaluate(self, images: NDArray[np.uint8]) -> DigitsReport:
        """Compare paintings, uint8 [N, S, S, 1 or 3] dark on white, with this reference.

        They are converted to 32×32 gray; larger ones are averaged over areas. Raises ValueError for another shape or
        dtype, and for 64 paintings or fewer (the covariance of 64 features needs more).
        """
        features, probabilities = features_and_probabilities(self.network, views_of_lenet(images))
        painted = gaussian_of(features)
        real = self.train_features[: len(images)]
        return DigitsReport(
            lenet_fid=frechet_distance(painted, self.real),
            real_fid=frechet_distance(gaussian_of(real), self.real),
            n=len(images),
            real_n=len(real),
            reference=self.name,
            reference_size=self.real.count,
            class_histogram=tuple(int(n) for n in np.bincount(probabilities.argmax(1), minlength=CLASSES)),
            mean_top_probability=float(probabilities.max(1).mean()),
            split=self.split,
        )


def real_digits(root: Path | None = None, *, hold_out_validation: bool = False) -> Dataset:
    """The digits of `mnist` in the LeNet's view if it is installed, otherwise the embedded ones."""
    try:
        return load("mnist", SIDE, colour=False, root=root, hold_out_validation=hold_out_validation)
    except DatasetMissingError:
        return load("mnist-sample", SIDE, colour=False, hold_out_validation=hold_out_validation)


def default_reference(root: Path | None = None, split: HeldOut = "test") -> DigitsReference:
    """Use the digits of `mnist` if it is installed, otherwise the fewer embedded ones (the report says so)."""
    return DigitsReference.of(real_digits(root, hold_out_validation=split == "validation"), split=split)


def evaluate_pictures(
    images: NDArray[np.uint8], reference: DigitsReference | Dataset | None = None, root: Path | None = None
) -> DigitsReport:
    """Compare paintings, uint8 [N, S, S, 1 or 3] dark on white, with real digits; see `DigitsReference.evaluate`.

    Without a reference it uses `default_reference(root)`, which each call recomputes.
    """
    if reference is None:
        reference = default_reference(root)
    elif isinstance(reference, Dataset):
        reference = DigitsReference.of(reference)
    return reference.evaluate(images)


def views_of_lenet(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Convert uint8 [N, S, S, 1 or 3] to the LeNet's uint8 [N, 32, 32, 1]; ValueError for another shape or dtype."""
    if images.ndim != 4 or images.dtype != np.uint8 or images.shape[3] not in (1, 3):
        raise ValueError(f"pictures: {images.dtype} {list(images.shape)}; expected uint8 [N, H, W, 1 or 3]")
    if images.shape[1] != images.shape[2] or not len(images):
        raise ValueError(f"pictures: {len(images)} of {images.shape[1]}×{images.shape[2]}; digits need square ones")
    return resize(with_channels(images, 1), SIDE, SIDE)
