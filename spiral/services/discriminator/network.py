"""The discriminator's network: a small DCGAN-like stack of convolutions without normalization (docs/method.md, 5)."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from spiral.configuration.cross_checks import check_convolutions

LEAK = 0.2
"""Slope of LeakyReLU below 0, as in DCGAN."""

Initialise = Callable[[nn.Module], None]


class Critic(nn.Module):
    """Scores each picture by how much it looks like the data; scores are unbounded.

    Each convolution (4×4, stride 2) halves the picture, so any view works whose sides survive that. There is no batch
    normalization: a gradient penalty belongs to one picture, and normalization would couple the pictures of a batch.
    """

    def __init__(self, observation_shape: tuple[int, int, int], channels: tuple[int, ...], conditional: bool) -> None:
        """``observation_shape`` is (H, W, C). Raises ValueError if the view is too small for the convolutions."""
        super().__init__()
        height, width, depth = observation_shape
        check_convolutions(channels, observation_shape)
        sizes = (depth * (2 if conditional else 1), *channels)
        self.convolutions = nn.ModuleList(
            nn.Conv2d(inputs, outputs, kernel_size=4, stride=2, padding=1) for inputs, outputs in pairwise(sizes)
        )
        for _ in channels:
            height, width = height // 2, width // 2
        self.linear = nn.Linear(channels[-1] * height * width, 1)

    def forward(self, painting: Tensor, target: Tensor | None = None) -> Tensor:
        """Score of each painting: float32 [N, C, H, W] in −1…1, and targets likewise in a conditional run, → [N]."""
        x = painting if target is None else torch.cat((painting, target), dim=1)
        for convolution in self.convolutions:
            x = nn.functional.leaky_relu(convolution(x), LEAK)
        scores: Tensor = self.linear(x.flatten(1))
        return scores.squeeze(1)


def to_input(pictures: NDArray[np.uint8], device: torch.device) -> Tensor:
    """Pictures uint8 [N, H, W, C] as the network's input: float32 [N, C, H, W], 0…255 → −1…1."""
    owned = torch.from_numpy(np.require(pictures, requirements=("C", "W")))  # torch warns about read-only memory
    return owned.to(device).permute(0, 3, 1, 2).float().div_(127.5).sub_(1.0)


def torch_default(network: nn.Module) -> None:
    """Leave PyTorch's own initialization: uniform, scaled by the number of inputs."""


def dcgan(network: nn.Module) -> None:
    """Draw all weights from N(0, 0.02) and set the biases to 0, as DCGAN does."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.normal_(module.weight, 0.0, 0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def build_network(
    observation_shape: tuple[int, int, int],
    channels: tuple[int, ...],
    conditional: bool,
    seed: int,
    initialise: Initialise = torch_default,
) -> Critic:
    """A critic whose weights depend only on ``seed``; the global generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = Critic(observation_shape, channels, conditional)
        initialise(network)
    return network
