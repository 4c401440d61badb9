"""The memory of paintings from which the discriminator learns."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Remembered:
    """Final observations, and what they were to reproduce."""

    paintings: NDArray[np.uint8]
    """[N, H, W, C]."""
    targets: NDArray[np.uint8] | None
    """[N, H, W, C] in a conditional run."""

    def __len__(self) -> int:
        return len(self.paintings)


class ReplayBuffer:
    """The last ``capacity`` batches; every picture in it is equally likely to be drawn (docs/method.md, 6)."""

    def __init__(self, capacity: int) -> None:
        """``capacity`` in batches, at least 1: 1 keeps the newest batch only."""
        self._batches: deque[Remembered] = deque(maxlen=capacity)

    def __len__(self) -> int:
        """Pictures in it."""
        return sum(map(len, self._batches))

    @property
    def batches(self) -> tuple[Remembered, ...]:
        """What is in it, oldest first."""
        return tuple(self._batches)

    def add(self, paintings: NDArray[np.uint8], targets: NDArray[np.uint8] | None) -> None:
        """Remember copies of a batch; the oldest batch goes where there is no room."""
        self._batches.append(Remembered(paintings.copy(), None if targets is None else targets.copy()))

    def sample(self, count: int, generator: torch.Generator) -> Remembered:
        """Draw ``count`` pictures, without repetition as long as there are that many.

        Raises ValueError if nothing is remembered.
        """
        size = len(self)
        if not size:
            raise ValueError("replay: nothing is remembered yet; add a batch before drawing from it")
        if count <= size:
            drawn = torch.randperm(size, generator=generator)[:count].numpy()
        else:
            drawn = torch.randint(size, (count,), generator=generator).numpy()
        paintings = np.concatenate([batch.paintings for batch in self._batches])[drawn]
        targets = [batch.targets for batch in self._batches if batch.targets is not None]
        return Remembered(paintings, np.concatenate(targets)[drawn] if targets else None)
