"""What the two encoder networks share: their input, their weights, their batches."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor, nn

SIDE = 32
"""Height and width of the pictures, in pixels."""
FEATURES = 64
# Activations of 1,000 pictures take 20 MB for digits and 60 MB in color; larger batches are no faster on a CPU.
_BATCH = 1000

N = TypeVar("N", bound=nn.Module)


def ink_of(images: NDArray[np.uint8], channels: int) -> Tensor:
    """Ink: uint8 [N, 32, 32, C] → float32 [N, C, 32, 32] in 0…1, where 0 is white paper.

    So the zero padding of convolutions is paper, too. ValueError if the pictures have another shape.
    """
    if images.shape[1:] != (SIDE, SIDE, channels) or images.dtype != np.uint8:
        raise ValueError(
            f"this network sees uint8 [N, {SIDE}, {SIDE}, {channels}]; these are {images.dtype} {list(images.shape)}"
        )
    return (255.0 - torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float()) / 255.0


def ink_in_batches(images: NDArray[np.uint8], channels: int) -> Iterator[Tensor]:
    """As :func:`ink_of`, at most 1,000 pictures at a time."""
    for start in range(0, len(images), _BATCH):
        yield ink_of(images[start : start + _BATCH], channels)


def load_network(network: N, file: Path) -> N:
    """Fill a network with shipped weights, on the CPU, for inference; ValueError if they are missing or damaged."""
    try:
        network.load_state_dict(load_file(file))
    except Exception as error:  # safetensors' errors have no common public base class
        raise ValueError(
            f"{file}: not the weights of {type(network).__name__} ({error}); install the package again"
        ) from error
    return network.eval().requires_grad_(False)
