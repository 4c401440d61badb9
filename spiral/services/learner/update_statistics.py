"""Means of entropy and losses over updates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(slots=True)
class UpdateStatistics:
    """Means over the batches since the last take, of the last update on each batch."""

    batches: int = 0
    entropy: dict[str, float] = field(default_factory=dict)
    """Entropy of each component in nats, over the actions for which it counts."""
    losses: dict[str, float] = field(default_factory=dict)
    """The losses and the gradient's norm, by name."""

    def add(self, entropy: Mapping[str, float], losses: Mapping[str, float]) -> None:
        """Take in one batch."""
        self.batches += 1
        for means, values in ((self.entropy, entropy), (self.losses, losses)):
            for name, value in values.items():
                before = means.get(name, 0.0)
                means[name] = before + (value - before) / self.batches
