"""Omniglot: 1,623 characters of 50 alphabets, each drawn by 20 people; 105×105, ink or paper.

The official background alphabets are for training, the evaluation alphabets for testing. It is read from the two
official zips, from the folders that they unpack to, or from one packed file, `omniglot_bits.npz`, which holds the
same pictures as bits: `bits` uint8 [N, 1379] (`numpy.packbits` of the ink, row by row), `character` [N],
`evaluation` bool [N], and `alphabet` [N] with the `alphabet_names`. Whole background alphabets are for validation, five
of the 30, by the SHA-256 of their names: test alphabets are unseen, too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from spiral.datasets import download, views
from spiral.datasets.arrays import read_arrays
from spiral.datasets.dataset import Dataset, Pictures, Progress, View
from spiral.datasets.decoding import decode
from spiral.datasets.prepared import Cache, collect
from spiral.datasets.reading import Chunk, PictureReader, rows_of_a_chunk, state_of
from spiral.datasets.splits import in_validation
from spiral.datasets.trees import Tree, is_tree, open_tree, pack

SIDE = 105
PACKED = "omniglot_bits.npz"
ADDRESS = "https://raw.githubusercontent.com/brendenlake/omniglot/master/python/"
# The larger zip has 9.5 MB; an answer beyond this is not it.
LARGEST_DOWNLOAD_BYTES = 64 * 2**20
_THRESHOLD = 128


@dataclass(frozen=True, slots=True)
class Part:
    """One of the two official halves: its zip's name without .zip, the zip's MD5, its number of pictures."""

    name: str
    md5: str
    count: int


BACKGROUND = Part("images_background", "68d2efa1b9178cc56df9314c21c6e718", 19_280)
EVALUATION = Part("images_evaluation", "6b91aef0f799c5bb55b94e3f2daec811", 13_180)


@dataclass(frozen=True, slots=True)
class Omniglot:
    """The source `omniglot`; its halves and the address are arguments."""

    background: Part = BACKGROUND
    evaluation: Part = EVALUATION
    address: str = ADDRESS
    name: str = "omniglot"
    origin: str = "Omniglot handwritten characters, Brenden Lake, github.com/brendenlake/omniglot"
    licence: str = "MIT, © 2015 Brenden Lake"
    how_to_get: str = "spiral data get omniglot"

    def missing(self, folder: Path) -> str | None:
        """Name the first half that is not there, where the packed file is not there either."""
        if (folder / PACKED).is_file():
            return None
        absent = [part.name for part in (self.background, self.evaluation) if _find(folder, part) is None]
        return f"{absent[0]}.zip is missing" if absent else None

    def read(
        self, folder: Path, view: View, cache: Cache | None = None, *, hold_out_validation: bool = False
    ) -> Dataset:
        """Read the packed file if it is there, else the zips or folders; their counts are checked."""
        packed = folder / PACKED
        reader = self._packed(packed, view, hold_out_validation) if packed.is_file() else self._halves(folder, view)
        expected = self.background.count + self.evaluation.count
        if reader.count != expected:
            raise ValueError(f"{folder}: {reader.count} pictures of Omniglot; expected {expected}. Get it again")
        return collect(reader, view, cache, hold_out_validation)

    def get(self, folder: Path, from_dir: Path | None, progress: Progress) -> None:
        """Bring the zips from the official address, or what `from_dir` has: zips, folders or the packed file."""
        if from_dir is not None and (from_dir / PACKED).is_file():
            self._packed(from_dir / PACKED, View(SIDE, SIDE, False))
            download.copy(from_dir / PACKED, folder / PACKED, progress)
            return
        for part in (self.background, self.evaluation):
            target = folder / f"{part.name}.zip"
            if _is_right(target, part):
                continue
            if from_dir is None:
                download.fetch(
                    (f"{self.address}{part.name}.zip",),
                    target,
                    verify=partial(_verify, part=part),
                    progress=progress,
                    limit_bytes=LARGEST_DOWNLOAD_BYTES,
                )
            else:
                _take(from_dir, part, target, progress)

    def _reading(
        self, count: int, source_bytes: int, fingerprint: str, chunks: Callable[[], Iterator[Chunk]]
    ) -> PictureReader:
        return PictureReader(self.name, self.origin, self.licence, count, source_bytes, fingerprint, chunks)

    def _packed(self, file: Path, view: View, hold_out_validation: bool = False) -> PictureReader:
        arrays = read_arrays(file, {"bits": (np.uint8, 2), "character": (np.uint16, 1), "evaluation": (np.bool_, 1)})
        bits, evaluation = arrays["bits"], arrays["evaluation"].astype(np.bool_)
        if bits.shape[1] != (SIDE * SIDE + 7) // 8:
            raise ValueError(f"{file}: bits have {bits.shape[1]} bytes a picture; expected {(SIDE * SIDE + 7) // 8}")
        labels = arrays["character"].astype(np.int64)
        validation = np.zeros(len(bits), np.bool_)
        if hold_out_validation:  # a packed file without alphabets is whole for those who need none
            named = read_arrays(file, {"alphabet": (np.uint8, 1), "alphabet_names": (np.str_, 1)})
            if len(named["alphabet"]) != len(bits) or named["alphabet"].max() >= len(named["alphabet_names"]):
                raise ValueError(f"{file}: alphabet has to name one of alphabet_names for each of {len(bits)} pictures")
            validation = _for_validation(named["alphabet_names"])[named["alphabet"]] & ~evaluation

        def chunks() -> Iterator[Chunk]:
            step = rows_of_a_chunk(View(SIDE, SIDE, view.colour))
            for start in range(0, len(bits), step):
                rows = slice(start, start + step)
                yield _chunk(bits[rows], evaluation[rows], validation[rows], labels[rows], view)

        return self._reading(len(bits), file.stat().st_size, state_of(file), chunks)

    def _halves(self, folder: Path, view: View) -> PictureReader:
        trees: list[tuple[Tree, bool]] = []
        for part, held_out in ((self.background, False), (self.evaluation, True)):
            path = _find(folder, part)
            if path is None:
                raise ValueError(f"{folder}: {part.name}.zip is missing")
            trees.append((open_tree(path, (".png",)), held_out))

        def chunks() -> Iterator[Chunk]:
            known: dict[tuple[str, ...], int] = {}  # alphabet and character → its number
            step = rows_of_a_chunk(View(SIDE, SIDE, view.colour))
            for tree, held_out in trees:
                for start in range(0, len(tree.names), step):
                    names = tree.names[start : start + step]
                    labels = [known.setdefault(PurePosixPath(name).parts[-3:-1], len(known)) for name in names]
                    bits = np.stack([_bits(decode(tree.read(name), name), name) for name in names])
                    validation = _for_validation([PurePosixPath(name).parts[-3] for name in names])
                    test = np.full(len(names), held_out)
                    yield _chunk(bits, test, validation & ~test, np.array(labels, np.int64), view)

        return self._reading(
            sum(len(tree.names) for tree, _ in trees),
            sum(tree.total_bytes for tree, _ in trees),
            " ".join(tree.fingerprint for tree, _ in trees),
            chunks,
        )


def _bits(picture: Pictures, name: str) -> NDArray[np.uint8]:
    if picture.shape[:2] != (SIDE, SIDE):
        raise ValueError(f"{name} is {picture.shape[1]}×{picture.shape[0]} pixels; Omniglot's are {SIDE}×{SIDE}")
    return np.packbits(picture[:, :, 0] < _THRESHOLD)


def _for_validation(alphabets: Iterable[str]) -> NDArray[np.bool_]:
    return in_validation([hashlib.sha256(name.encode()).digest() for name in alphabets])


def _chunk(
    bits: NDArray[np.uint8],
    test: NDArray[np.bool_],
    validation: NDArray[np.bool_],
    labels: NDArray[np.int64],
    view: View,
) -> Chunk:
    ink = np.unpackbits(bits, axis=1, count=SIDE * SIDE).reshape(-1, SIDE, SIDE, 1)
    fitted = views.fit_inside((1 - ink) * np.uint8(views.WHITE), view.height, view.width)
    digests = [hashlib.sha256(row.data).digest() for row in bits]
    return Chunk(views.with_channels(fitted, view.channels), test, validation, labels, digests)


def _find(folder: Path, part: Part) -> Path | None:
    return next((path for path in (folder / f"{part.name}.zip", folder / part.name) if is_tree(path)), None)


def _is_right(target: Path, part: Part) -> bool:
    try:
        _verify(target, part)
    except ValueError:  # missing or damaged: `get` is called to repair it
        return False
    return True


def _verify(path: Path, part: Part) -> None:
    """Accept the official zip, and a zip packed here of its folder: every picture is then read."""
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror or error})") from error
    if found == part.md5:
        return
    tree = open_tree(path, (".png",))
    if len(tree.names) != part.count:
        raise ValueError(
            f"{path}: its MD5 is {found} and it has {len(tree.names)} pictures; "
            f"expected the MD5 {part.md5} or {part.count} pictures"
        )
    for name in tree.names:
        _bits(decode(tree.read(name), name), name)


def _take(from_dir: Path, part: Part, target: Path, progress: Progress) -> None:
    found = _find(from_dir, part)
    if found is None:
        raise ValueError(f"{from_dir}: there is neither {part.name}.zip nor a folder {part.name}, nor {PACKED}")
    if found.is_dir():
        tree = open_tree(found, (".png",))
        if len(tree.names) != part.count:
            raise ValueError(f"{found}: {len(tree.names)} pictures; expected {part.count}")
        for name in tree.names:
            _bits(decode(tree.read(name), name), name)
        pack(tree, tree.names, target, progress)
        return
    _verify(found, part)
    download.copy(found, target, progress)
