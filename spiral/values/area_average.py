"""The exact area average, which turns a canvas into an observation and a large picture into a small one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def area_average(images: NDArray[np.uint8], factor: int) -> NDArray[np.uint8]:
    """Shrink uint8 [N, H, W, C] by an integer factor: each pixel is the exact mean of factor², rounded half up.

    Raises ValueError if the factor does not divide height and width.
    """
    count, height, width, channels = images.shape
    if factor < 1 or height % factor or width % factor:
        raise ValueError(f"area average: the factor {factor} does not divide {height}×{width}")
    blocks = images.reshape(count, height // factor, factor, width // factor, factor, channels)
    total = blocks.sum(axis=(2, 4), dtype=np.uint32)
    area = factor * factor
    mean: NDArray[np.uint8] = ((2 * total + area) // (2 * area)).astype(np.uint8)
    return mean
