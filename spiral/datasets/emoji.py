"""Noto Emoji: Google's color pictures, blended on white; one packed npz, or the PNG files of their repository.

The packed file, `emoji_64.npz`, has `images` uint8 [N, S, S, 4] (red, green, blue, alpha), `files` (PNG names, which
are code points) and `category` [N]. One in five glyphs is held out for testing, together with its skin tones and with
every glyph whose picture is the same; validation pictures are chosen from the rest, in such groups too.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from spiral.datasets import download, views
from spiral.datasets.arrays import read_arrays
from spiral.datasets.dataset import Dataset, Pictures, Progress, View
from spiral.datasets.decoded import decoded
from spiral.datasets.decoding import on_white
from spiral.datasets.prepared import Cache, collect
from spiral.datasets.reading import Chunk, PictureReader, digest, rows_of_a_chunk, state_of
from spiral.datasets.splits import in_test, in_validation
from spiral.datasets.trees import Tree, is_tree, open_tree, pack

PACKED = "emoji_64.npz"
ZIP = "emoji.zip"
TEST_SHARE = 0.2
FEWEST_PICTURES = 64
_TONES = {f"{tone:x}" for tone in range(0x1F3FB, 0x1F400)}
_NAME = re.compile(r"(?:emoji_u)?([0-9a-f]{2,6}(?:[-_][0-9a-f]{2,6})*)\.png", re.IGNORECASE)
# The repository's folder of pictures of 128 pixels; three other folders have other sizes.
_REPOSITORY_FOLDER = "png/128/"


@dataclass(frozen=True, slots=True)
class Emoji:
    """The source `emoji`."""

    name: str = "emoji"
    origin: str = "Noto Emoji, Google, github.com/googlefonts/noto-emoji"
    licence: str = "Apache-2.0, Google (some flags: public domain)"
    how_to_get: str = "spiral data get emoji --from DIR (a clone of that repository, or a folder with its PNG files)"

    def missing(self, folder: Path) -> str | None:
        """Report if neither the packed file nor the zip is there."""
        there = (folder / PACKED).is_file() or (folder / ZIP).is_file()
        return None if there else f"neither {PACKED} nor {ZIP} is there"

    def read(
        self, folder: Path, view: View, cache: Cache | None = None, *, hold_out_validation: bool = False
    ) -> Dataset:
        """Read the packed file if it is there, else the zip."""
        packed = folder / PACKED
        reader = self._packed(packed, view) if packed.is_file() else self._zip(_tree(folder / ZIP), view)
        if reader.count < FEWEST_PICTURES:
            raise ValueError(f"{folder}: {reader.count} emoji; expected at least {FEWEST_PICTURES}")
        return collect(reader, view, cache, hold_out_validation)

    def get(self, folder: Path, from_dir: Path | None, progress: Progress) -> None:
        """Copy the packed file or the PNG files (also in a zip) from `from_dir`; every picture is read first."""
        if from_dir is None:
            raise ValueError(
                "emoji: there is no official download of the pictures alone; clone github.com/googlefonts/noto-emoji "
                "and give its folder: spiral data get emoji --from DIR"
            )
        view = View(64, 64, True)
        if (from_dir / PACKED).is_file():
            collect(self._packed(from_dir / PACKED, view), view, None)
            download.copy(from_dir / PACKED, folder / PACKED, progress)
            return
        tree = _tree(from_dir if not (zips := sorted(from_dir.glob("*.zip"))) else zips[0])
        if len(tree.names) < FEWEST_PICTURES:
            raise ValueError(
                f"{tree.path}: {len(tree.names)} PNG files named by code points (emoji_u1f600.png or 1f600.png); "
                f"expected at least {FEWEST_PICTURES}"
            )
        collect(self._zip(tree, view), view, None)
        pack(tree, tree.names, folder / ZIP, progress)

    def _packed(self, file: Path, view: View) -> PictureReader:
        arrays = read_arrays(file, {"images": (np.uint8, 4), "files": (np.str_, 1), "category": (np.uint8, 1)})
        images, files = arrays["images"], [str(name) for name in arrays["files"]]
        if images.shape[3] != 4 or len(files) != len(images):
            raise ValueError(f"{file}: images {list(images.shape)} and {len(files)} files; expected [N, S, S, 4] and N")
        labels = arrays["category"].astype(np.int64)

        def chunks() -> Iterator[Chunk]:
            blended = on_white(images)
            digests = [digest(picture) for picture in blended]
            test, validation = held_out(files, digests)
            step = rows_of_a_chunk(view)
            for start in range(0, len(images), step):
                rows = slice(start, start + step)
                yield Chunk(_bring(blended[rows], view), test[rows], validation[rows], labels[rows], digests[rows])

        size, mark = file.stat().st_size, state_of(file)
        return PictureReader(self.name, self.origin, self.licence, len(images), size, mark, chunks)

    def _zip(self, tree: Tree, view: View) -> PictureReader:
        def chunks() -> Iterator[Chunk]:
            # Only after all glyphs have been read is it known which look the same: a few thousand small pictures.
            read = [
                (pictures.copy(), digests, names)
                for pictures, digests, names in decoded(tree, tree.names, view, lambda picture: _bring(picture, view))
            ]
            every = [one for _, digests, _ in read for one in digests]
            files = [PurePosixPath(name).name for _, _, names in read for name in names]
            test, validation = held_out(files, every)
            start = 0
            for pictures, digests, _ in read:
                rows = slice(start, start + len(pictures))
                yield Chunk(pictures, test[rows], validation[rows], None, digests)
                start = rows.stop

        return PictureReader(
            self.name, self.origin, self.licence, len(tree.names), tree.total_bytes, tree.fingerprint, chunks
        )


def held_out(files: Sequence[str], digests: Sequence[bytes]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which emoji are for testing and which for validation: bool [N] each.

    Skin tones of one glyph stay together, and so do equal pictures. The SHA-256 of a group's first base glyph
    (the code points without the tone) decides its split.
    """
    group: dict[str | bytes, str | bytes] = {}

    def root(member: str | bytes) -> str | bytes:
        while group.setdefault(member, member) != member:
            member = group[member]
        return member

    bases = [base_glyph(file) for file in files]
    for base, picture in zip(bases, digests, strict=True):
        one, other = root(base), root(picture)
        group[other] = one
    first: dict[str | bytes, str] = {}
    for base in bases:
        first[root(base)] = min(base, first.get(root(base), base))
    shares = [hashlib.sha256(first[root(base)].encode()).digest() for base in bases]
    return in_test(shares, TEST_SHARE), in_validation(shares, TEST_SHARE)


def base_glyph(file: str) -> str:
    """The code points of a picture's name without skin tones and variation selectors: "1f44b_1f3fb.png" → "1f44b"."""
    named = _NAME.fullmatch(file)
    if named is None:
        raise ValueError(f"{file}: an emoji's file is named by its code points, for example emoji_u1f600.png")
    points = re.split("[-_]", named.group(1).lower())
    return "-".join(point for point in points if point not in _TONES and point != "fe0f") or "-".join(points)


def _bring(pictures: Pictures, view: View) -> Pictures:
    return views.fit_inside(views.with_channels(pictures, view.channels), view.height, view.width)


def _tree(path: Path) -> Tree:
    """The emoji among a tree's PNG files; from the repository's four sizes, the one of 128 pixels."""
    if not is_tree(path):
        raise ValueError(f"{path}: there is no such folder or zip")
    tree = open_tree(path, (".png",))
    names = [name for name in tree.names if _NAME.fullmatch(PurePosixPath(name).name)]
    chosen = [name for name in names if _REPOSITORY_FOLDER in f"/{name}"] or names
    return Tree(tree.path, tuple(chosen), tree.fingerprint, tree.total_bytes, tree.archive)
