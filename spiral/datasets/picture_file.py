"""One picture file, decoded as a viewer shows it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from spiral.datasets import views
from spiral.datasets.dataset import Pictures
from spiral.datasets.decoding import LARGEST_FILE_BYTES, decode

VIEWED = ("PNG", "JPEG", "GIF", "WEBP", "BMP")
"""Formats that are read, of an animation the first picture."""
ENDINGS = (".png", ".jpg", ".jpeg", ".gif", ".webp", ".bmp")


def read_picture(file: Path, channels: int) -> Pictures:
    """Decode one picture file to uint8 [H, W, channels]: upright, blended on white, 16 bits cut to 8.

    Raises ValueError that names the file: not a picture, damaged, a side below 8 pixels, too large.
    """
    try:
        if file.exists() and not file.is_file() and not file.is_dir():  # reading a pipe might never end
            raise ValueError(f"{file.name} is not a readable picture (not a plain file)")
        if (size := file.stat().st_size) > LARGEST_FILE_BYTES:
            raise ValueError(f"{file.name} has {size} bytes; at most {LARGEST_FILE_BYTES} are read")
        content = file.read_bytes()
    except OSError as error:
        raise ValueError(f"{file.name} is not a readable picture ({error.strerror or error})") from error
    return decode_picture(content, file.name, channels)


def decode_picture(content: bytes, name: str, channels: int) -> Pictures:
    """Decode the bytes of a picture file as :func:`read_picture` does; ``name``: what errors call it."""
    if not content:
        raise ValueError(f"{name} is not a readable picture (it is empty)")
    converted: Pictures = views.with_channels(decode(content, name, VIEWED)[np.newaxis], channels)[0]
    return converted
