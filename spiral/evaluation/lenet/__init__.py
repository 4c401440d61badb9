"""The small digit classifier whose penultimate features the LeNet-FID compares."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from spiral.evaluation.features import FEATURES, ink_in_batches, load_network

CHANNELS = 1
CLASSES = 10
WEIGHTS_FILE = Path(__file__).with_name("lenet.safetensors")


class LeNet(nn.Module):
    """Classifier of 32×32 gray digits.

    conv 5×5/2 16 → conv 3×3/2 32 → conv 3×3/2 64 → linear 64 → linear 10, ReLU after each but the last. The
    convolutions pad by 2, 1, 1, so the maps are 16×16, 8×8 and 4×4. The input is ink (see
    :func:`~spiral.evaluation.features.ink_of`): 0 is white paper, 1 black.
    """

    def __init__(self) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            nn.Conv2d(1, 16, 5, stride=2, padding=2),
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(32, 64, 3, stride=2, padding=1),
            nn.ReLU(),
        )
        self.penultimate = nn.Linear(64 * 4 * 4, FEATURES)
        self.logits = nn.Linear(FEATURES, CLASSES)

    def features(self, ink: Tensor) -> Tensor:
        """Return the 64 penultimate features after their ReLU: float32 [N, 1, 32, 32] in 0…1 → float32 [N, 64]."""
        return torch.relu(self.penultimate(self.convolutions(ink).flatten(1)))

    def forward(self, ink: Tensor) -> Tensor:
        """Return the logits of the ten classes: float32 [N, 1, 32, 32] in 0…1 → float32 [N, 10]."""
        logits: Tensor = self.logits(self.features(ink))
        return logits


def load_lenet(file: Path = WEIGHTS_FILE) -> LeNet:
    """Load the shipped classifier; ValueError if the file is missing or damaged."""
    return load_network(LeNet(), file)


def features_and_probabilities(
    network: LeNet, images: NDArray[np.uint8]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Run the classifier over uint8 [N, 32, 32, 1]: features float64 [N, 64], class probabilities float64 [N, 10]."""
    features, probabilities = [], []
    with torch.inference_mode():
        for ink in ink_in_batches(images, CHANNELS):
            found = network.features(ink)
            features.append(found.double().numpy())
            probabilities.append(network.logits(found).double().softmax(1).numpy())
    return np.concatenate(features), np.concatenate(probabilities)
