"""A loaded data set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from spiral.datasets.splits import ADJECTIVES, Split

Pictures = NDArray[np.uint8]
Labels = NDArray[np.int64]

# (file, bytes there so far, bytes in all or None if the server does not say)
Progress = Callable[[str, int, int | None], None]

# Below 8 pixels nothing can be drawn that a person would name; above 1,024 a batch no longer fits anywhere.
SMALLEST_VIEW = 8
LARGEST_VIEW = 1024


class DatasetMissingError(ValueError):
    """The files of a known data set are not on this machine; the message has the command that gets them."""


@dataclass(frozen=True, slots=True)
class View:
    """The picture size that a run looks at: height and width in pixels, 3 channels if color, else 1."""

    height: int
    width: int
    colour: bool

    def __post_init__(self) -> None:
        for side, value in (("height", self.height), ("width", self.width)):
            if not SMALLEST_VIEW <= value <= LARGEST_VIEW:
                raise ValueError(f"view {side}: {value} is outside {SMALLEST_VIEW}…{LARGEST_VIEW} pixels")

    @property
    def channels(self) -> int:
        """Channels of a picture: 3 (RGB) or 1 (gray)."""
        return 3 if self.colour else 1


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """Pictures of one view size, ink dark on white.

    `train` and `test` are C-contiguous uint8 [N, H, W, C], so `data.train[indices]` is a batch; those of a large set
    are mapped from a file and cannot be written. Labels are int64 [N] or None. `checksum` is that of the pictures'
    content, the same for every view. `notes` say what the user should know about them, one sentence each. Raises
    ValueError if a part has another form, is empty, or shares memory with another.

    `validation` are pictures of the training set that are held out of `train`; None: `train` is the whole of it.
    """

    name: str
    train: Pictures
    test: Pictures
    train_labels: Labels | None
    test_labels: Labels | None
    source: str
    licence: str
    checksum: str
    notes: tuple[str, ...] = ()
    validation: Pictures | None = None
    validation_labels: Labels | None = None

    def __post_init__(self) -> None:
        parts = self._parts()
        for split, (pictures, labels) in parts.items():
            if pictures.ndim != 4 or pictures.dtype != np.uint8 or not pictures.flags.c_contiguous:
                raise ValueError(
                    f"{self.name}: {split} is {pictures.dtype} {pictures.shape}; expected contiguous uint8 [N, H, W, C]"
                )
            if not len(pictures):
                raise ValueError(f"{self.name}: {split} has no pictures; expected at least one")
            if labels is not None and labels.shape != (len(pictures),):
                raise ValueError(
                    f"{self.name}: {split} has {len(pictures)} pictures but labels of shape {labels.shape}"
                )
        for (one, (these, _)), (other, (those, _)) in combinations(parts.items(), 2):
            if these.shape[1:] != those.shape[1:]:
                raise ValueError(f"{self.name}: {one} {these.shape[1:]} and {other} {those.shape[1:]} differ in shape")
            if np.may_share_memory(these, those):  # of contiguous arrays their bounds say it exactly
                raise ValueError(
                    f"{self.name}: {one} and {other} share pictures; one that is held out must never be learned from"
                )

    def _parts(self) -> dict[Split, tuple[Pictures, Labels | None]]:
        parts: dict[Split, tuple[Pictures, Labels | None]] = {"train": (self.train, self.train_labels)}
        if self.validation is not None:
            parts["validation"] = self.validation, self.validation_labels
        parts["test"] = self.test, self.test_labels
        return parts

    def split(self, name: Split) -> tuple[Pictures, Labels | None]:
        """The pictures of a split and their labels; ValueError for `validation` if it is not held out."""
        if name == "validation" and self.validation is None:
            raise ValueError(
                f"{self.name}: it was loaded without a validation split; load it with hold_out_validation=True"
            )
        return self._parts()[name]

    @property
    def count(self) -> int:
        """Number of pictures in all splits."""
        return sum(len(pictures) for pictures, _ in self._parts().values())

    @property
    def sizes(self) -> str:
        """The number of pictures in each split, in words."""
        *first, last = (f"{len(pictures):,} {ADJECTIVES[split]}" for split, (pictures, _) in self._parts().items())
        return f"{', '.join(first)} and {last} pictures"
