"""From the bytes of a PNG or JPEG file to pixels: upright, on white, 8 bits."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageChops, UnidentifiedImageError

from spiral.datasets.dataset import SMALLEST_VIEW, Pictures
from spiral.datasets.metadata import without_metadata

SUFFIXES = (".png", ".jpg", ".jpeg")
FORMATS = ("PNG", "JPEG")
LARGEST_FILE_BYTES = 256 * 2**20
"""A picture file beyond this is damage or a trap: a zip may promise anything."""
MAX_PIXELS = 1 << 26
"""Most pixels of a picture, as many as the largest canvas has. Decoding it takes less than a gigabyte."""
_BAND_PIXELS = 1 << 20
"""Pixels that are blended at a time; the blending needs 20 bytes per pixel."""
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""Operations that turn a picture upright, by its EXIF orientation."""


class _TooLargeError(ValueError):
    """A picture of more than MAX_PIXELS; found before it is decoded."""


def decode(content: bytes, name: str, formats: Sequence[str] = FORMATS) -> Pictures:
    """Decode a picture of one of ``formats`` to uint8 [H, W, 1 or 3]: upright, blended on white, 16 bits cut to 8.

    Metadata that is damaged or odd is ignored. Raises ValueError that names it: not a picture, damaged pixels, a side
    below 8 pixels, more than MAX_PIXELS.
    """
    try:
        pixels = _decode_what_can_be(content, formats)
    except UnidentifiedImageError as error:
        raise ValueError(f"{name} is not a readable picture (neither {' nor '.join(formats)})") from error
    except _TooLargeError as error:
        raise ValueError(f"{name} {error}") from error
    except Exception as error:  # nor does a damaged picture raise one kind of error only
        raise ValueError(f"{name} is not a readable picture ({error})") from error
    height, width = pixels.shape[:2]
    if min(height, width) < SMALLEST_VIEW:
        raise ValueError(f"{name} is {width}×{height} pixels; expected at least {SMALLEST_VIEW}×{SMALLEST_VIEW}")
    return pixels


def on_white(images: NDArray[np.uint8]) -> Pictures:
    """Blend uint8 [N, H, W, 4] (red, green, blue, alpha) on white, rounded to nearest: uint8 [N, H, W, 3]."""
    blended: Pictures = np.empty((*images.shape[:3], 3), np.uint8)
    rows = max(1, _BAND_PIXELS // max(1, images.shape[2]))
    for image, out in zip(images, blended, strict=True):
        for top in range(0, len(image), rows):
            band = image[top : top + rows]
            colour, alpha = band[..., :3].astype(np.uint16), band[..., 3:].astype(np.uint16)
            out[top : top + rows] = (colour * alpha + 255 * (255 - alpha) + 127) // 255
    return blended


def _decode_what_can_be(content: bytes, formats: Sequence[str]) -> Pictures:
    """Decode a file as it is; if that fails, perhaps because of its metadata, decode it without them."""
    with suppress(Exception):  # damaged metadata raises whatever its fields lead to
        return _decode(content, formats)
    with suppress(Exception):
        return _decode(without_metadata(content, exif=True), formats)
    return _decode(without_metadata(content, exif=False), formats)


def _decode(content: bytes, formats: Sequence[str]) -> Pictures:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what metadata lacks is nothing to tell of every picture of a set
        try:
            opened = Image.open(io.BytesIO(content), formats=list(formats))
        except Image.DecompressionBombError as error:
            raise _TooLargeError(f"has too many pixels; at most {MAX_PIXELS:,} are decoded") from error
        with opened:
            if opened.width * opened.height > MAX_PIXELS:
                raise _TooLargeError(
                    f"has too many pixels, {opened.width}×{opened.height}; at most {MAX_PIXELS:,} are decoded"
                )
            opened.load()
            turn = _UPRIGHT.get(_orientation(opened) or 1)
            picture = _with_true_ink(opened)
            return _blended_on_white(picture if turn is None else picture.transpose(turn))


def _with_true_ink(picture: Image.Image) -> Image.Image:
    """Correct CMYK: Adobe stores its inks inverted, and Pillow assumes that everybody does."""
    if picture.mode == "CMYK" and "adobe" not in picture.info:
        return ImageChops.invert(picture)
    return picture


def _orientation(picture: Image.Image) -> int | None:
    """The picture's orientation from EXIF or XMP, 1 to 8; None if there is none that makes sense."""
    try:
        found = picture.getexif().get(ExifTags.Base.Orientation)
    except Exception:  # damaged EXIF raises whatever its fields lead to
        return None
    return found if isinstance(found, int) else None


def _blended_on_white(picture: Image.Image) -> Pictures:
    if picture.mode.startswith("I"):  # 16 bits in whichever container; Pillow's own conversion would clip, not scale
        scaled: Pictures = (np.asarray(picture) >> 8).clip(0, 255).astype(np.uint8)
        return scaled[:, :, np.newaxis]
    if picture.has_transparency_data:
        blended: Pictures = on_white(_array(picture, "RGBA")[np.newaxis])[0]
        return blended
    if picture.mode in ("1", "L"):
        return _array(picture, "L")[:, :, np.newaxis]
    return _array(picture, "RGB")


def _array(picture: Image.Image, mode: str) -> Pictures:
    pixels: Pictures = np.asarray(picture if picture.mode == mode else picture.convert(mode))  # converting copies
    return pixels
