"""Small data sets and batches for the discriminator's tests."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spiral.config import RunConfig, load_config
from spiral.datasets import Dataset

SHAPE = (16, 16, 1)


def dataset(pictures: int = 40, shape: tuple[int, int, int] = SHAPE) -> Dataset:
    """Light pictures: noise between 128 and 255."""
    drawn = np.random.default_rng(0).integers(128, 256, (pictures, *shape), dtype=np.uint8)
    return Dataset("light", drawn, drawn[: pictures // 2], None, None, "made here", "none needed", "")


def config(*settings: str) -> RunConfig:
    """The demo's configuration with a network of two small convolutions."""
    return load_config("demo", ("discriminator.channels=[4,8]", "discriminator.batch=8", *settings))


def observations(seed: int, frames: int = 3, batch: int = 6, shape: tuple[int, int, int] = SHAPE) -> NDArray[np.uint8]:
    """A blank start and then dark noise between 0 and 127, [F, B, H, W, C]."""
    drawn = np.random.default_rng(seed).integers(0, 128, (frames, batch, *shape), dtype=np.uint8)
    drawn[0] = 255
    return drawn


def targets(seed: int, batch: int = 6, shape: tuple[int, int, int] = SHAPE) -> NDArray[np.uint8]:
    """Light noise, [B, H, W, C]."""
    return np.random.default_rng(seed).integers(128, 256, (batch, *shape), dtype=np.uint8)
