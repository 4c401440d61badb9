"""`folder:PATH`: any directory of PNG and JPEG pictures of one size, read where it lies."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from spiral.datasets import views
from spiral.datasets.dataset import SMALLEST_VIEW, Dataset, Pictures, Progress, View

PREFIX = "folder:"
SUFFIXES = (".png", ".jpg", ".jpeg")
# A tenth of the pictures is held out for testing.
TEST_SHARE = 0.1
# Fewer pictures are learned by heart; the discriminator would tell paintings by not being one of them.
FEWEST_PICTURES = 16
# So many faults are named one by one in a message.
_NAMED = 5


@dataclass(frozen=True, slots=True)
class Folder:
    """The source `folder:PATH`.

    Every .png, .jpg and .jpeg below PATH belongs to it, except in hidden folders. All have one size; they are cut to
    the view's aspect about their centre, scaled, and blended on white where they are transparent. Polarity stays as it
    is: the engine paints dark on white, so should the pictures be. Equal pictures land in the same split, which the
    SHA-256 of a picture's pixels decides, so adding pictures moves no other.
    """

    path: Path
    origin: str = "your own pictures"
    licence: str = "yours to know"

    @property
    def name(self) -> str:
        """The name with the path, as a user types it."""
        return f"{PREFIX}{self.path}"

    def missing(self, folder: Path) -> str | None:
        """Say so if the directory does not exist."""
        return None if self.path.is_dir() else f"the directory {self.path} does not exist"

    def read(self, folder: Path, view: View) -> Dataset:
        """Read every picture; one sentence names those that are damaged, too small or of another size."""
        files = self._files()
        fitted = np.empty((len(files), view.height, view.width, view.channels), np.uint8)
        digests: list[str] = []
        sizes: dict[Path, tuple[int, int]] = {}
        faults: list[str] = []
        for index, file in enumerate(files):
            try:
                picture = read_picture(file, view.channels)
            except ValueError as error:
                faults.append(str(error))
                continue
            sizes[file] = (picture.shape[1], picture.shape[0])
            digests.append(hashlib.sha256(picture.tobytes()).hexdigest())
            if not faults:
                fitted[index] = views.crop_to_cover(picture[np.newaxis], view.height, view.width)[0]
        if faults:
            more = f"; and {len(faults) - _NAMED} more" if len(faults) > _NAMED else ""
            raise ValueError(
                f"{len(faults)} of {len(files)} pictures cannot be used: {'; '.join(faults[:_NAMED])}{more}"
            )
        self._refuse_mixed(sizes)
        test = self._test_split(digests)
        return Dataset(
            name=self.name,
            train=fitted[~test],
            test=fitted[test],
            train_labels=None,
            test_labels=None,
            source=f"{self.origin} in {self.path}",
            licence=self.licence,
            checksum=hashlib.sha256("".join(sorted(digests)).encode()).hexdigest(),
        )

    def get(self, folder: Path, from_dir: Path | None, progress: Progress) -> None:
        """There is nothing to get: always a ValueError."""
        raise ValueError(f"{self.name} is read where it lies; there is nothing to get")

    def _files(self) -> list[Path]:
        if not self.path.is_dir():
            raise ValueError(f"{self.path}: no such directory; {PREFIX}PATH names a directory of PNG or JPEG pictures")
        files = sorted(
            file
            for file in self.path.rglob("*")
            if file.suffix.lower() in SUFFIXES
            and not any(part.startswith(".") for part in file.relative_to(self.path).parts)
            and file.is_file()
        )
        if len(files) < FEWEST_PICTURES:
            raise ValueError(f"{self.path}: {len(files)} PNG or JPEG pictures; at least {FEWEST_PICTURES} are needed")
        return files

    def _refuse_mixed(self, sizes: dict[Path, tuple[int, int]]) -> None:
        counts = Counter(sizes.values())
        if len(counts) == 1:
            return
        (most, _), *others = counts.most_common()
        example = next(file for file, size in sizes.items() if size == others[0][0])
        raise ValueError(
            f"{self.path}: pictures of {len(counts)} different sizes; most are {most[0]}×{most[1]}, "
            f"but {example.name} is {others[0][0][0]}×{others[0][0][1]}. Bring all to one size"
        )

    def _test_split(self, digests: list[str]) -> NDArray[np.bool_]:
        lowest, highest = min(digests), max(digests)
        if lowest == highest:
            raise ValueError(
                f"{self.path}: all {len(digests)} pictures are equal; at least 2 different ones are needed"
            )
        share = np.array([int(digest[:8], 16) / 2**32 for digest in digests])
        test = share < TEST_SHARE
        # Small folders: each side gets at least one whatever the hashes say.
        test |= np.array([digest == lowest for digest in digests])
        test &= np.array([digest != highest for digest in digests])
        return test


def read_picture(file: Path, channels: int) -> Pictures:
    """Decode one picture file to uint8 [H, W, channels]: upright, blended on white, 16 bits cut to 8.

    Raises ValueError that names the file: not a picture, damaged, a side below 8 pixels, too large to be one.
    """
    try:
        with Image.open(file, formats=("PNG", "JPEG")) as opened:
            picture = ImageOps.exif_transpose(opened)
            pixels = _blended_on_white(picture)
    except Image.DecompressionBombError as error:
        raise ValueError(f"{file.name} has too many pixels ({error})") from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise ValueError(
            f"{file.name} is not a readable picture ({str(error).replace(str(file), file.name)})"
        ) from error
    height, width = pixels.shape[:2]
    if min(height, width) < SMALLEST_VIEW:
        raise ValueError(f"{file.name} is {width}×{height} pixels; at least {SMALLEST_VIEW}×{SMALLEST_VIEW} are needed")
    converted: Pictures = views.with_channels(pixels[np.newaxis], channels)[0]
    return converted


def _blended_on_white(picture: Image.Image) -> Pictures:
    if picture.mode.startswith("I"):  # 16 bits in whichever container; Pillow's own conversion would clip, not scale
        wide = np.asarray(picture).astype(np.uint32)
        scaled: Pictures = (wide >> 8).clip(0, 255).astype(np.uint8)
        return scaled[:, :, np.newaxis]
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(white, picture)
    grey = picture.mode in ("1", "L")
    pixels: Pictures = np.asarray(picture.convert("L" if grey else "RGB"))
    return pixels[:, :, np.newaxis] if grey else pixels
