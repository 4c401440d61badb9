"""Quick, Draw!: players' drawings of 28×28, by class; the official files, one <class>.npy a class, or one packed npz.

The packed file, `quickdraw10.npz`, has `images` uint8 [N, 28, 28] (0 paper, 255 ink), `labels` [N] and `classes`. There
is no official split: the SHA-256 of a drawing's pixels holds out one of twenty, equal drawings together.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from spiral.datasets import download, views
from spiral.datasets.arrays import map_array, read_arrays
from spiral.datasets.dataset import Dataset, Progress, View
from spiral.datasets.prepared import Cache, collect
from spiral.datasets.reading import Chunk, PictureReader, digest, rows_of_a_chunk, state_of
from spiral.datasets.splits import in_test, in_validation

SIDE = 28
PACKED = "quickdraw10.npz"
ADDRESS = "https://storage.googleapis.com/quickdraw_dataset/full/numpy_bitmap/"
CLASSES = ("airplane", "alarm clock", "banana", "bird", "book", "cat", "dog", "flower", "house", "rainbow")
_BEGINNING_BYTES = 256
# Of the packed 40,000 that are 2,000.
TEST_SHARE = 0.05
# The largest class has 340,000 drawings, 267 MB; an answer beyond this is not one.
LARGEST_DOWNLOAD_BYTES = 512 * 2**20
FEWEST_PICTURES = 64
_BITMAPS = f"bitmaps are read, uint8 [N, {SIDE * SIDE}]: the files of {ADDRESS}, which `spiral data get quickdraw` gets"


@dataclass(frozen=True, slots=True)
class QuickDraw:
    """The source `quickdraw`; `classes` are those that `get` downloads, while `read` takes every .npy that is there."""

    classes: tuple[str, ...] = CLASSES
    address: str = ADDRESS
    name: str = "quickdraw"
    origin: str = "the Quick, Draw! Dataset, Google, github.com/googlecreativelab/quickdraw-dataset; not moderated"
    licence: str = "CC BY 4.0, Google"
    how_to_get: str = "spiral data get quickdraw"

    def missing(self, folder: Path) -> str | None:
        """Say so if there is neither a class nor the packed file."""
        if (folder / PACKED).is_file() or _classes(folder):
            return None
        return f"neither a <class>.npy nor {PACKED} is there{_only_strokes(folder)}"

    def read(
        self, folder: Path, view: View, cache: Cache | None = None, *, hold_out_validation: bool = False
    ) -> Dataset:
        """Read every class that lies in `folder`, in the order of their names, else the packed file."""
        files = _classes(folder)
        parts = [_drawings(file) for file in files] if files else _packed(folder / PACKED)
        files = files or [folder / PACKED]
        count = sum(len(drawings) for drawings in parts)
        if count < FEWEST_PICTURES:
            raise ValueError(f"{folder}: {count} drawings; expected at least {FEWEST_PICTURES}")

        def chunks() -> Iterator[Chunk]:
            step = rows_of_a_chunk(view)
            for label, drawings in enumerate(parts):
                for start in range(0, len(drawings), step):
                    some = np.asarray(drawings[start : start + step])
                    digests = [digest(drawing) for drawing in some]
                    labels = np.full(len(some), label, np.int64)
                    yield Chunk(
                        views.digits(some, view),
                        in_test(digests, TEST_SHARE),
                        in_validation(digests, TEST_SHARE),
                        labels,
                        digests,
                    )

        reader = PictureReader(
            self.name,
            self.origin,
            self.licence,
            count,
            sum(file.stat().st_size for file in files),
            " ".join(f"{file.name} {state_of(file)}" for file in files),
            chunks,
        )
        return collect(reader, view, cache, hold_out_validation)

    def get(self, folder: Path, from_dir: Path | None, progress: Progress) -> None:
        """Bring the classes from the official address (about 100 MB each), or every file that `from_dir` has."""
        if from_dir is None:
            for name in self.classes:
                if not _is_right(target := folder / f"{name}.npy"):
                    download.fetch(
                        (f"{self.address}{quote(name)}.npy",),
                        target,
                        verify=_drawings,
                        progress=progress,
                        limit_bytes=LARGEST_DOWNLOAD_BYTES,
                    )
            return
        if (from_dir / PACKED).is_file():
            _packed(from_dir / PACKED)
            download.copy(from_dir / PACKED, folder / PACKED, progress)
        elif not _classes(from_dir):
            raise ValueError(f"{from_dir}: neither a <class>.npy nor {PACKED} is there{_only_strokes(from_dir)}")
        for file in _classes(from_dir):
            _drawings(file)
            download.copy(file, folder / file.name, progress)


def _classes(folder: Path) -> list[Path]:
    return sorted(file for file in folder.glob("*.npy") if not file.name.startswith("."))


def _only_strokes(folder: Path) -> str:
    """Words for the set's other files, by their endings; empty where there are none."""
    there = sorted(path.name for suffix in (".ndjson", ".npz", ".bin") for path in folder.glob(f"*{suffix}"))
    return f"; {', '.join(there[:3])} {'holds' if len(there) == 1 else 'hold'} strokes, but {_BITMAPS}" if there else ""


def _holds_strokes(file: Path) -> bool:
    """Whether a file is one of the set's other ones: text in JSON, an archive of arrays, or Python's own objects."""
    try:
        with file.open("rb") as stream:
            beginning = stream.read(_BEGINNING_BYTES)
    except OSError:
        return False
    objects = beginning.startswith(npy.MAGIC_PREFIX) and b"'|O'" in beginning
    return objects or beginning.startswith((b"{", b"PK\x03\x04"))


def _drawings(file: Path) -> NDArray[np.uint8]:
    """Map one class: uint8 [N, 28, 28]."""
    if _holds_strokes(file):
        raise ValueError(f"{file}: holds strokes, but {_BITMAPS}")
    array = map_array(file, np.uint8, 2)
    if array.shape[1] != SIDE * SIDE or not len(array):
        raise ValueError(f"{file}: its shape is {list(array.shape)}; expected [N, {SIDE * SIDE}]")
    return array.reshape(-1, SIDE, SIDE)


def _packed(file: Path) -> list[NDArray[np.uint8]]:
    """Read the packed file: uint8 [N, 28, 28] of each class, in the order of their numbers."""
    arrays = read_arrays(file, {"images": (np.uint8, 3), "labels": (np.uint8, 1)})
    images, labels = arrays["images"], arrays["labels"]
    if images.shape[1:] != (SIDE, SIDE) or not len(images):
        raise ValueError(f"{file}: images are {list(images.shape)}; expected [N, {SIDE}, {SIDE}]")
    return [images[labels == label] for label in range(int(labels.max()) + 1)]


def _is_right(target: Path) -> bool:
    try:
        _drawings(target)
    except ValueError:  # missing, or cut off, which `get` is called to mend
        return False
    return True
