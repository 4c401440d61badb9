"""Holds out validation pictures of a data set that is completely in memory."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from spiral.datasets.dataset import Dataset
from spiral.datasets.reading import digest
from spiral.datasets.splits import in_validation


def validation_held_out(whole: Dataset, stored: NDArray[Any]) -> Dataset:
    """Take validation pictures from the training pictures, by the SHA-256 of each in ``stored`` ``[N, …]``."""
    chosen = in_validation([digest(picture) for picture in stored])
    labels = whole.train_labels
    return replace(
        whole,
        train=whole.train[~chosen],
        train_labels=None if labels is None else labels[~chosen],
        validation=whole.train[chosen],
        validation_labels=None if labels is None else labels[chosen],
    )
