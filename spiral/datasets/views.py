"""Bringing pictures to the size and the channels that a run looks at. Nothing is ever stretched."""

from __future__ import annotations

import numpy as np
from PIL import Image

from spiral.datasets.dataset import Pictures, View
from spiral.values.area_average import area_average

WHITE = 255


def resize(images: Pictures, height: int, width: int) -> Pictures:
    """Bring uint8 [N, H, W, C] to height × width: area average where it shrinks, bilinear where it grows."""
    if images.shape[1:3] == (height, width):
        return images
    factor = images.shape[1] // height
    if factor >= 1 and images.shape[1] == height * factor and images.shape[2] == width * factor:
        return area_average(images, factor)
    shrinks = height < images.shape[1]
    filter_ = Image.Resampling.BOX if shrinks else Image.Resampling.BILINEAR
    resized = np.empty((len(images), height, width, images.shape[3]), np.uint8)
    for source, target in zip(images, resized, strict=True):
        picture = Image.fromarray(source if source.shape[2] == 3 else source[:, :, 0])
        target[:] = np.asarray(picture.resize((width, height), filter_)).reshape(target.shape)
    return resized


def pad_to(images: Pictures, height: int, width: int) -> Pictures:
    """Center uint8 [N, H, W, C] on a white height × width; an odd rest goes right and below."""
    down, across = height - images.shape[1], width - images.shape[2]
    if down < 0 or across < 0:
        raise ValueError(f"pad: {images.shape[1]}×{images.shape[2]} does not fit into {height}×{width}")
    margins = ((0, 0), (down // 2, down - down // 2), (across // 2, across - across // 2), (0, 0))
    return np.pad(images, margins, constant_values=WHITE)


def fit_inside(images: Pictures, height: int, width: int) -> Pictures:
    """Scale uint8 [N, H, W, C] until it just fits into height × width, then center it on white (for drawings)."""
    scale = min(height / images.shape[1], width / images.shape[2])
    inner_height = min(height, max(1, round(images.shape[1] * scale)))
    inner_width = min(width, max(1, round(images.shape[2] * scale)))
    return pad_to(resize(images, inner_height, inner_width), height, width)


def crop_to_cover(images: Pictures, height: int, width: int) -> Pictures:
    """Cut uint8 [N, H, W, C] to the aspect of height × width about its center, then scale it (for photographs)."""
    scale = min(images.shape[1] / height, images.shape[2] / width)
    cut_height = min(images.shape[1], max(1, round(height * scale)))
    cut_width = min(images.shape[2], max(1, round(width * scale)))
    top = (images.shape[1] - cut_height) // 2
    left = (images.shape[2] - cut_width) // 2
    return resize(images[:, top : top + cut_height, left : left + cut_width], height, width)


def with_channels(images: Pictures, channels: int) -> Pictures:
    """Bring uint8 [N, H, W, 1 or 3] to 1 channel (ITU-R 601 luma) or to 3 (the gray repeated)."""
    have = images.shape[3]
    if have == channels:
        return images
    if (have, channels) == (1, 3):
        return np.repeat(images, 3, axis=3)
    if (have, channels) == (3, 1):
        grey = np.empty((*images.shape[:3], 1), np.uint8)
        for source, target in zip(images, grey, strict=True):
            target[:, :, 0] = np.asarray(Image.fromarray(source).convert("L"))
        return grey
    raise ValueError(f"channels: {have} cannot become {channels}; pictures have 1 (gray) or 3 (red, green, blue)")


def digits(images: Pictures, view: View) -> Pictures:
    """Bring digits as MNIST stores them, uint8 [N, 28, 28] with ink 255, to a view: dark on white, never stretched.

    They are padded by 2 pixels to 32×32; that is the view of 32. At 64 each of its pixels is doubled bilinearly, at 16
    it is averaged over areas: stretching 28 to 32 would move real digits by a LeNet-FID of about 90.
    """
    dark_on_white = (WHITE - images)[:, :, :, np.newaxis]
    padded = pad_to(dark_on_white, images.shape[1] + 4, images.shape[2] + 4)
    fitted = with_channels(fit_inside(padded, view.height, view.width), view.channels)
    return np.ascontiguousarray(fitted)
