"""The small encoder whose features represent color pictures, as the LeNet's represent digits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from spiral.evaluation.features import FEATURES, ink_in_batches, load_network

CHANNELS = 3
WEIGHTS_FILE = Path(__file__).with_name("colour.safetensors")


class ColourEncoder(nn.Module):
    """Encoder of 32×32 color pictures.

    conv 5×5/2 32 → conv 3×3/2 64 → conv 3×3/2 128, ReLU after each, → linear 64. The convolutions pad by 2, 1, 1, so
    the maps are 16×16, 8×8 and 4×4. The input is ink (see :func:`~spiral.evaluation.features.ink_of`). Over the
    pictures that it learned from, each feature has mean 0, and the features' average variance is 1.
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


def load_colour_encoder(file: Path = WEIGHTS_FILE) -> ColourEncoder:
    """Load the shipped encoder; ValueError if the file is missing or damaged."""
    return load_network(ColourEncoder(), file)


def colour_features(network: ColourEncoder, images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Run the encoder over uint8 [N, 32, 32, 3]: features float64 [N, 64]."""
    with torch.inference_mode():
        return np.concatenate([network(ink).double().numpy() for ink in ink_in_batches(images, CHANNELS)])
