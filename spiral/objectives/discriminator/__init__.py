"""The training objectives of the discriminator's network: ``discriminator.objective``."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from spiral.objectives.objective import Objective

if TYPE_CHECKING:
    import torch
    from torch import nn

    from spiral.objectives.pictures import Loss, Pictures


class DiscriminatorObjective(Objective):
    """A loss that teaches the network to tell real pictures from paintings."""

    def prepare(self, network: nn.Module) -> None:
        """Change a new network to suit this objective; by default nothing changes."""

    @abstractmethod
    def loss(self, network: nn.Module, pictures: Pictures, generator: torch.Generator, update: int) -> Loss:
        """The loss of update number ``update`` (from 0) over a batch of real pictures and as many paintings.
        ``generator`` is on the CPU and the only source of randomness."""
