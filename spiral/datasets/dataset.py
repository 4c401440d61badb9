"""What a data set is once it is loaded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Pictures = NDArray[np.uint8]
Labels = NDArray[np.int64]

# (file, bytes there so far, bytes in all or None where the server does not say)
Progress = Callable[[str, int, int | None], None]

# Below 8 pixels nothing can be drawn that a person would name; above 1,024 a batch no longer fits anywhere.
SMALLEST_VIEW = 8
LARGEST_VIEW = 1024


class DatasetMissingError(ValueError):
    """A known data set whose files are not on this machine; the message holds the command that gets them."""


@dataclass(frozen=True, slots=True)
class View:
    """The picture size that a run looks at: height and width in pixels, 3 channels if colour, else 1."""

    height: int
    width: int
    colour: bool

    def __post_init__(self) -> None:
        for side, value in (("height", self.height), ("width", self.width)):
            if not SMALLEST_VIEW <= value <= LARGEST_VIEW:
                raise ValueError(f"view {side}: {value} is outside {SMALLEST_VIEW}…{LARGEST_VIEW} pixels")

    @property
    def channels(self) -> int:
        """Channels of a picture: 3 (RGB) or 1 (grey)."""
        return 3 if self.colour else 1


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """Pictures of one view size, ink dark on white.

    `train` and `test` are C-contiguous uint8 [N, H, W, C], so `data.train[indices]` is a batch; those of a large set
    are mapped from a file and cannot be written. Labels are int64 [N] or None. `checksum` is of the pictures' content:
    the same whatever the view. `notes` say what the user should know of them, a sentence each. Raises ValueError where
    a part has another form, is empty, or lies in the memory of the other.
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

    def __post_init__(self) -> None:
        for split, pictures, labels in (
            ("train", self.train, self.train_labels),
            ("test", self.test, self.test_labels),
        ):
            if pictures.ndim != 4 or pictures.dtype != np.uint8 or not pictures.flags.c_contiguous:
                raise ValueError(
                    f"{self.name}: {split} is {pictures.dtype} {pictures.shape}; contiguous uint8 [N, H, W, C] is right"
                )
            if not len(pictures):
                raise ValueError(f"{self.name}: {split} has no pictures; at least one is needed")
            if labels is not None and labels.shape != (len(pictures),):
                raise ValueError(
                    f"{self.name}: {split} has {len(pictures)} pictures but labels of shape {labels.shape}"
                )
        if self.train.shape[1:] != self.test.shape[1:]:
            raise ValueError(
                f"{self.name}: train {self.train.shape[1:]} and test {self.test.shape[1:]} differ in shape"
            )
        if np.may_share_memory(self.train, self.test):  # of contiguous arrays their bounds say it exactly
            raise ValueError(f"{self.name}: train and test share pictures; a test picture must never be learnt from")
