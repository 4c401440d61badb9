"""Which pictures a command is to read: files, folders and standard input; and what becomes of bad ones."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

STDIN = Path("-")


@dataclass(frozen=True, slots=True)
class PictureFile:
    """A picture to be read."""

    name: str
    """Of the files that are made of it."""
    path: Path
    in_folder: bool
    """It was found in a folder: one that can't be read is skipped. One that the user named must be readable."""

    def read(self, channels: int) -> NDArray[np.uint8]:
        """uint8 ``[H, W, channels]``; ValueError that names the file if it is no picture."""
        from spiral.datasets.decoding import LARGEST_FILE_BYTES  # noqa: PLC0415
        from spiral.datasets.picture_file import decode_picture, read_picture  # noqa: PLC0415

        if self.path != STDIN:
            return read_picture(self.path, channels)
        content = sys.stdin.buffer.read(LARGEST_FILE_BYTES + 1)
        if len(content) > LARGEST_FILE_BYTES:
            raise ValueError(f"stdin has more than {LARGEST_FILE_BYTES} bytes, and no more are read")
        return decode_picture(content, "stdin", channels)


def picture_files(given: Sequence[Path]) -> list[PictureFile]:
    """The pictures that the user named: files, all pictures of folders, and ``-`` for standard input.

    ValueError for a folder without pictures, and for standard input twice.
    """
    if given.count(STDIN) > 1:
        raise ValueError("images: - is standard input, which can be read only once")
    return [picture for path in given for picture in _of(path)]


def _of(path: Path) -> Iterator[PictureFile]:
    if path == STDIN:
        yield PictureFile("stdin", path, False)
    elif not path.is_dir():
        yield PictureFile(path.stem, path, False)
    else:
        from spiral.datasets.picture_file import ENDINGS  # noqa: PLC0415

        found = [file for file in sorted(path.iterdir()) if file.suffix.lower() in ENDINGS and file.name[0] != "."]
        if not found:
            raise ValueError(f"images: the folder {path} holds no picture; expected files with {', '.join(ENDINGS)}")
        yield from (PictureFile(file.stem, file, True) for file in found)
