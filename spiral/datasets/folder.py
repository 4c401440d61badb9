"""`folder:PATH`: any directory or zip of PNG and JPEG pictures of one size, read in place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from spiral.configuration.paths import PREFIX
from spiral.datasets import views
from spiral.datasets.dataset import Dataset, Pictures, Progress, View
from spiral.datasets.decoded import decoded
from spiral.datasets.decoding import SUFFIXES
from spiral.datasets.polarity import light_on_dark
from spiral.datasets.prepared import Cache, collect
from spiral.datasets.reading import Chunk, PictureReader
from spiral.datasets.splits import in_test, in_validation
from spiral.datasets.trees import Tree, is_tree, open_tree, why_not_a_tree

# A tenth of the pictures is held out for testing.
TEST_SHARE = 0.1
# Fewer pictures would be memorized; the discriminator would recognize paintings because they are not among them.
FEWEST_PICTURES = 16
# From this many on, a split by hash leaves no side empty: 0.9 to the power of 256 is 2e-12.
_MANY = 256


@dataclass(frozen=True, slots=True)
class Folder:
    """The source `folder:PATH`, PATH a directory or a zip.

    Every .png, .jpg and .jpeg below PATH belongs to it, also behind links, except in hidden folders. All have one size;
    they are cropped about their center to the view's aspect, scaled, and blended on white if they are transparent.
    Polarity stays as it is: the engine paints dark on white, so the pictures should be dark on white, too; a note says
    if they are not. The SHA-256 of a picture's pixels decides its split. So equal pictures are in the same split, and
    adding pictures moves no other.
    """

    path: Path
    origin: str = "your own pictures"
    licence: str = "yours to know"

    @property
    def name(self) -> str:
        """The name with the path as typed by the user."""
        return f"{PREFIX}{self.path}"

    @property
    def how_to_get(self) -> str:
        """Empty: there is nothing to get, because the path is the user's."""
        return ""

    def missing(self, folder: Path) -> str | None:
        """Say so if there is neither a directory nor a zip."""
        return None if is_tree(self.path) else why_not_a_tree(self.path)

    def read(
        self, folder: Path, view: View, cache: Cache | None = None, *, hold_out_validation: bool = False
    ) -> Dataset:
        """Read every picture; one sentence names those that are damaged, too small or of another size."""
        tree = open_tree(self.path, SUFFIXES)
        if len(tree.names) < FEWEST_PICTURES:
            few = f"{self.path}: {len(tree.names)} PNG or JPEG pictures; expected at least {FEWEST_PICTURES}"
            raise ValueError("; ".join((few, *tree.left_out)))
        reader = PictureReader(
            self.name,
            f"{self.origin} in {self.path}",
            self.licence,
            len(tree.names),
            tree.total_bytes,
            tree.fingerprint,
            lambda: self._chunks(tree, view, hold_out_validation),
        )
        data = collect(reader, view, cache, hold_out_validation)
        hint = light_on_dark(data.train)
        return replace(data, notes=(*data.notes, *tree.left_out, *([hint] if hint else [])))

    def get(self, folder: Path, from_dir: Path | None, progress: Progress) -> None:
        """Always a ValueError: there is nothing to get."""
        raise ValueError(f"{self.name} is read in place; there is nothing to get")

    def _chunks(self, tree: Tree, view: View, hold_out_validation: bool) -> Iterator[Chunk]:
        def cut(picture: Pictures) -> Pictures:
            return views.crop_to_cover(views.with_channels(picture, view.channels), view.height, view.width)

        tests, validations = set[bytes](), set[bytes]()
        if few := len(tree.names) <= _MANY:  # each split gets at least one, whatever the hashes say
            every = [digest for _, some, _ in decoded(tree, tree.names, view, cut) for digest in some]
            tests, validations = self._of_few(every, hold_out_validation)
        for pictures, digests, _ in decoded(tree, tree.names, view, cut):
            if few:
                test, validation = (np.array([one in held for one in digests]) for held in (tests, validations))
            else:
                test, validation = in_test(digests, TEST_SHARE), in_validation(digests, TEST_SHARE)
            yield Chunk(pictures, test, validation, None, digests)

    def _of_few(self, digests: list[bytes], hold_out_validation: bool) -> tuple[set[bytes], set[bytes]]:
        """The pictures for testing, which have the lowest digests, and those for validation, which come next."""
        different = sorted(set(digests))
        needed = 3 if hold_out_validation else 2
        if len(different) < needed:
            equal = "equal" if len(different) == 1 else "one or the other of two"
            raise ValueError(
                f"{self.path}: all {len(digests)} pictures are {equal}; expected at least {needed} different ones"
            )
        tests = min(max(1, int(in_test(different, TEST_SHARE).sum())), len(different) - needed + 1)
        validations = max(1, int(in_validation(different, TEST_SHARE).sum())) if hold_out_validation else 0
        validations = min(validations, len(different) - tests - 1)
        return set(different[:tests]), set(different[tests : tests + validations])
