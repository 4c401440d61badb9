"""How far paintings are from the pictures they were to reproduce."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def mse(images: NDArray[np.uint8], targets: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Mean squared error of each picture, pixels taken as 0…1: uint8 [N, H, W, C] twice → float64 [N] in 0…1.

    Raises ValueError if shapes or dtypes differ from that.
    """
    if images.shape != targets.shape or images.ndim != 4 or not (images.dtype == targets.dtype == np.uint8):
        raise ValueError(
            f"paintings {images.dtype} {list(images.shape)} and targets {targets.dtype} {list(targets.shape)}; "
            "two uint8 [N, H, W, C] of one shape are right"
        )
    apart = (images.astype(np.int32) - targets.astype(np.int32)) ** 2
    errors: NDArray[np.float64] = apart.mean(axis=(1, 2, 3), dtype=np.float64) / 255.0**2
    return errors
