"""How far paintings are from their targets."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# The window and the constants of Wang et al. 2004, section III-B and III-C.
SSIM_WINDOW = 11
_SSIM_DEVIATION = 1.5
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
# Pictures at a time: the float64 maps of one chunk stay in the processor's cache.
_CHUNK = 64


def mse(images: NDArray[np.uint8], targets: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Mean squared error of each picture, pixels in 0…1: two arrays uint8 [N, H, W, C] → float64 [N] in 0…1.

    Raises ValueError if shapes or dtypes differ from that.
    """
    _check(images, targets)
    apart = (images.astype(np.int32) - targets.astype(np.int32)) ** 2
    errors: NDArray[np.float64] = apart.mean(axis=(1, 2, 3), dtype=np.float64) / 255.0**2
    return errors


def ssim(images: NDArray[np.uint8], targets: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Structural similarity of each picture (Wang et al. 2004, equation 13): two uint8 [N, H, W, C] → float64 [N].

    1 for equal pictures, about 0 for unrelated ones. The mean over channels and all places where the Gaussian window
    (11×11, standard deviation 1.5) lies inside the picture. Raises ValueError if shapes or dtypes differ, or for a side
    below 11 pixels.
    """
    _check(images, targets)
    if min(images.shape[1:3]) < SSIM_WINDOW:
        raise ValueError(
            f"SSIM: pictures of {images.shape[2]}×{images.shape[1]}; its window needs {SSIM_WINDOW}×{SSIM_WINDOW}"
        )
    parts = [
        _ssim(images[start : start + _CHUNK].astype(np.float64), targets[start : start + _CHUNK].astype(np.float64))
        for start in range(0, len(images), _CHUNK)
    ]
    return np.concatenate(parts) if parts else np.empty(0)


def _ssim(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    mean_one, mean_other = _blur(one), _blur(other)
    variance_one = _blur(one * one) - mean_one**2
    variance_other = _blur(other * other) - mean_other**2
    covariance = _blur(one * other) - mean_one * mean_other
    likeness = (2 * mean_one * mean_other + _C1) * (2 * covariance + _C2)
    scale = (mean_one**2 + mean_other**2 + _C1) * (variance_one + variance_other + _C2)
    mean: NDArray[np.float64] = (likeness / scale).mean(axis=(1, 2, 3))
    return mean


def _blur(images: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weighted means of [N, H, W, C] under the window at each place where it fits: [N, H − 10, W − 10, C]."""
    weights = window()
    height, width = images.shape[1] - SSIM_WINDOW + 1, images.shape[2] - SSIM_WINDOW + 1
    down = sum(weight * images[:, k : k + height] for k, weight in enumerate(weights))
    across: NDArray[np.float64] = sum(weight * down[:, :, k : k + width] for k, weight in enumerate(weights))
    return across


def window() -> NDArray[np.float64]:
    """One axis of SSIM's window: float64 [11], sum 1; the window is its outer product with itself."""
    places = np.arange(SSIM_WINDOW) - SSIM_WINDOW // 2
    weights: NDArray[np.float64] = np.exp(-(places**2) / (2 * _SSIM_DEVIATION**2))
    weights /= weights.sum()
    return weights


def _check(images: NDArray[np.uint8], targets: NDArray[np.uint8]) -> None:
    if images.shape != targets.shape or images.ndim != 4 or not (images.dtype == targets.dtype == np.uint8):
        raise ValueError(
            f"paintings {images.dtype} {list(images.shape)} and targets {targets.dtype} {list(targets.shape)}; "
            "expected two uint8 [N, H, W, C] of one shape"
        )
