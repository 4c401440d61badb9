"""From the bytes of a PNG or JPEG file to pixels: upright, on white, 8 bits."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from spiral.datasets.dataset import SMALLEST_VIEW, Pictures

SUFFIXES = (".png", ".jpg", ".jpeg")


def decode(content: bytes, name: str) -> Pictures:
    """Decode a picture to uint8 [H, W, 1 or 3]: upright, blended on white, 16 bits cut to 8.

    Raises ValueError that names it: not a picture, damaged, a side below 8 pixels, too large to be one.
    """
    try:
        with Image.open(io.BytesIO(content), formats=("PNG", "JPEG")) as opened:
            pixels = _blended_on_white(ImageOps.exif_transpose(opened))
    except Image.DecompressionBombError as error:
        raise ValueError(f"{name} has too many pixels ({error})") from error
    except UnidentifiedImageError as error:
        raise ValueError(f"{name} is not a readable picture (neither PNG nor JPEG)") from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise ValueError(f"{name} is not a readable picture ({error})") from error
    height, width = pixels.shape[:2]
    if min(height, width) < SMALLEST_VIEW:
        raise ValueError(f"{name} is {width}×{height} pixels; at least {SMALLEST_VIEW}×{SMALLEST_VIEW} are needed")
    return pixels


def on_white(images: NDArray[np.uint8]) -> Pictures:
    """Blend uint8 [N, H, W, 4] (red, green, blue, alpha) on white, rounded to nearest: uint8 [N, H, W, 3]."""
    colour, alpha = images[..., :3].astype(np.uint16), images[..., 3:].astype(np.uint16)
    blended: Pictures = ((colour * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)
    return blended


def _blended_on_white(picture: Image.Image) -> Pictures:
    if picture.mode.startswith("I"):  # 16 bits in whichever container; Pillow's own conversion would clip, not scale
        wide = np.asarray(picture).astype(np.uint32)
        scaled: Pictures = (wide >> 8).clip(0, 255).astype(np.uint8)
        return scaled[:, :, np.newaxis]
    if picture.has_transparency_data:
        blended: Pictures = on_white(np.asarray(picture.convert("RGBA"))[np.newaxis])[0]
        return blended
    grey = picture.mode in ("1", "L")
    pixels: Pictures = np.asarray(picture.convert("L" if grey else "RGB"))
    return pixels[:, :, np.newaxis] if grey else pixels
