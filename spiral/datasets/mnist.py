"""MNIST: 60,000 training and 10,000 test digits in four idx files, plain or gzip, recognized by their content's MD5."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spiral.datasets import download, views
from spiral.datasets.dataset import Dataset, Labels, Pictures, Progress, View
from spiral.datasets.holding_out import validation_held_out
from spiral.datasets.idx import IdxFile, read_idx
from spiral.datasets.prepared import Cache

CLASSES = 10


@dataclass(frozen=True, slots=True)
class MnistFile:
    """One of the four files: its name without .gz, its number of axes, the MD5 of its uncompressed content."""

    name: str
    axes: int
    md5: str


FILES = (
    MnistFile("train-images-idx3-ubyte", 3, "6bbc9ace898e44ae57da46a324031adb"),
    MnistFile("train-labels-idx1-ubyte", 1, "a25bea736e30d166cdddb491f175f624"),
    MnistFile("t10k-images-idx3-ubyte", 3, "2646ac647ad5339dbf082846283269ea"),
    MnistFile("t10k-labels-idx1-ubyte", 1, "27ae3e4e09519cfbb04c329615203637"),
)

# Two public mirrors, then the authors' page, which often refuses.
MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "http://yann.lecun.com/exdb/mnist/",
)

# The largest of the four files has 9.9 MB compressed; a larger answer is some other file.
LARGEST_DOWNLOAD_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True)
class Mnist:
    """The source `mnist`; files (train images, train labels, test images, test labels) and mirrors are arguments."""

    files: tuple[MnistFile, MnistFile, MnistFile, MnistFile] = FILES
    mirrors: tuple[str, ...] = MIRRORS
    name: str = "mnist"
    origin: str = "MNIST handwritten digits, Yann LeCun and Corinna Cortes, yann.lecun.com/exdb/mnist"
    licence: str = "CC BY-SA 3.0, © Yann LeCun and Corinna Cortes, derived from NIST"
    how_to_get: str = "spiral data get mnist"

    def missing(self, folder: Path) -> str | None:
        """Name the first of the four files that is missing."""
        absent = [file.name for file in self.files if _find(folder, file.name) is None]
        return f"{absent[0]} (plain or .gz) is missing" if absent else None

    def read(
        self, folder: Path, view: View, cache: Cache | None = None, *, hold_out_validation: bool = False
    ) -> Dataset:
        """Read the four files, check the MD5 of each and the counts, and bring the digits to the view."""
        train_images, train_labels, test_images, test_labels = (read_verified(folder, file) for file in self.files)
        contents = "".join(idx.md5 for idx in (train_images, train_labels, test_images, test_labels))
        train, test = train_images.array, test_images.array
        whole = Dataset(
            name=self.name,
            train=views.digits(train, view),
            test=views.digits(test, view),
            train_labels=checked_labels(train, train_labels.array, f"{self.name} train"),
            test_labels=checked_labels(test, test_labels.array, f"{self.name} test"),
            source=self.origin,
            licence=self.licence,
            checksum=hashlib.sha256(contents.encode()).hexdigest(),
        )
        return validation_held_out(whole, train) if hold_out_validation else whole

    def get(self, folder: Path, from_dir: Path | None, progress: Progress) -> None:
        """Get each missing file from `from_dir` (as it is) or from the mirrors (as .gz)."""
        for file in self.files:
            if _is_there(folder, file):
                continue
            if from_dir is None:
                self._download(folder, file, progress)
            else:
                _copy(from_dir, folder, file, progress)

    def _download(self, folder: Path, file: MnistFile, progress: Progress) -> None:
        def verify(path: Path) -> None:
            _verify(path, file)

        urls = tuple(f"{mirror}{file.name}.gz" for mirror in self.mirrors)
        download.fetch(
            urls,
            folder / f"{file.name}.gz",
            verify=verify,
            progress=progress,
            limit_bytes=LARGEST_DOWNLOAD_BYTES,
        )
        download.keep_aside(folder / file.name)  # a damaged plain file would hide the good compressed one


def _copy(from_dir: Path, folder: Path, file: MnistFile, progress: Progress) -> None:
    found = _find(from_dir, file.name)
    if found is None:
        raise ValueError(f"{from_dir}: {file.name} (plain or .gz) is not there; MNIST has four such files")
    _verify(found, file)
    download.copy(found, folder / found.name, progress)
    if found.suffix == ".gz":
        download.keep_aside(folder / file.name)


def _is_there(folder: Path, file: MnistFile) -> bool:
    try:
        read_verified(folder, file)
    except ValueError:  # missing or damaged: `get` is called to repair it
        return False
    return True


def checked_labels(images: Pictures, labels: NDArray[np.uint8], what: str) -> Labels:
    """Convert uint8 labels [N] to int64 after checking that each picture has one label in 0…9."""
    if len(labels) != len(images):
        raise ValueError(f"{what}: {len(images)} pictures but {len(labels)} labels; expected one label per picture")
    if len(labels) and labels.max() >= CLASSES:
        raise ValueError(f"{what}: the label {labels.max()} is outside 0…{CLASSES - 1}")
    return labels.astype(np.int64)


def read_verified(folder: Path, file: MnistFile) -> IdxFile:
    """Read one of the four files, plain or .gz. Raises ValueError if it is missing or has other content."""
    found = _find(folder, file.name)
    if found is None:
        raise ValueError(f"{folder}: {file.name} (plain or .gz) is missing")
    return _verify(found, file)


def _find(folder: Path, name: str) -> Path | None:
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            return path
    return None


def _verify(path: Path, file: MnistFile) -> IdxFile:
    idx = read_idx(path, file.axes)
    if idx.md5 != file.md5:
        raise ValueError(f"{path}: its uncompressed content has the MD5 {idx.md5}; expected {file.md5}. Get it again")
    return idx
