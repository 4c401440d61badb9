"""What the discriminator's network is trained for: ``discriminator.objective``."""

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
        """Change a new network into one for this objective; here nothing, any network will do."""

    @abstractmethod
    def loss(self, network: nn.Module, pictures: Pictures, generator: torch.Generator, update: int) -> Loss:
        """The loss of ``update`` (0 for a run's first) over a batch of real pictures and as many paintings;
        ``generator`` is on the CPU and the only source of chance."""
