"""The small encoder whose features stand for colour pictures, as the LeNet's do for digits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor, nn

SIDE = 32
FEATURES = 64
WEIGHTS_FILE = Path(__file__).with_name("colour.safetensors")
# Activations of 1,000 pictures take 60 MB; larger batches are no faster on a CPU.
_BATCH = 1000


class ColourEncoder(nn.Module):
    """Encoder of 32×32 colour pictures.

    conv 5×5/2 32 → conv 3×3/2 64 → conv 3×3/2 128, ReLU after each, → linear 64. The convolutions pad by 2, 1, 1, so
    the maps are 16×16, 8×8 and 4×4. The input is what is missing to white, (255 − pixel) / 255, so that the zero
    padding of the convolutions is white paper too. Over the pictures it learned from each feature has mean 0, and 1 is
    the features' variance on average.
    """

    def __init__(self) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            nn.Conv2d(3, 32, 5, stride=2, padding=2),
            nn.ReLU(),
            nn.Conv2d(32, 64, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(64, 128, 3, stride=2, padding=1),
            nn.ReLU(),
        )
        self.features = nn.Linear(128 * 4 * 4, FEATURES)

    def forward(self, ink: Tensor) -> Tensor:
        """Return the 64 features: float32 [N, 3, 32, 32] in 0…1 → float32 [N, 64]."""
        features: Tensor = self.features(self.convolutions(ink).flatten(1))
        return features


def ink_of(images: NDArray[np.uint8]) -> Tensor:
    """Turn uint8 [N, 32, 32, 3] into the network's input: float32 [N, 3, 32, 32] in 0…1, 0 is white."""
    if images.shape[1:] != (SIDE, SIDE, 3) or images.dtype != np.uint8:
        raise ValueError(
            f"the colour encoder sees uint8 [N, {SIDE}, {SIDE}, 3]; this is {images.dtype} {list(images.shape)}"
        )
    return (255.0 - torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float()) / 255.0


def load_colour_encoder(file: Path = WEIGHTS_FILE) -> ColourEncoder:
    """Load the shipped encoder, on the CPU, for inference. Raises ValueError if the file is missing or damaged."""
    network = ColourEncoder()
    try:
        network.load_state_dict(load_file(file))
    except Exception as error:  # safetensors' own errors share no public base class
        raise ValueError(
            f"{file}: not the weights of the colour encoder ({error}); install the package again"
        ) from error
    return network.eval().requires_grad_(False)


def colour_features(network: ColourEncoder, images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Run the encoder over uint8 [N, 32, 32, 3]: features float64 [N, 64]."""
    with torch.inference_mode():
        features = [
            network(ink_of(images[start : start + _BATCH])).double().numpy() for start in range(0, len(images), _BATCH)
        ]
    return np.concatenate(features)
