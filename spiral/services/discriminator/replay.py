"""The memory of paintings from which the discriminator learns."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Remembered:
    """Final observations and their targets."""

    paintings: NDArray[np.uint8]
    """[N, H, W, C]."""
    targets: NDArray[np.uint8] | None
    """[N, H, W, C] in a conditional run."""

    def __len__(self) -> int:
        return len(self.paintings)


class ReplayBuffer:
    """The last ``capacity`` batches; every picture in them is equally likely to be drawn (docs/method.md, 6)."""

    def __init__(self, capacity: int) -> None:
        """``capacity`` in batches, at least 1; 1 keeps only the newest batch."""
        self._batches: deque[Remembered] = deque(maxlen=capacity)

    def __len__(self) -> int:
        """The number of pictures."""
        return sum(map(len, self._batches))

    def add(self, paintings: NDArray[np.uint8], targets: NDArray[np.uint8] | None) -> None:
        """Remember copies of a batch; if there is no room, the oldest batch goes."""
        self._batches.append(Remembered(paintings.copy(), None if targets is None else targets.copy()))

    def sample(self, count: int, generator: torch.Generator) -> Remembered:
        """Draw ``count`` pictures, without repetition if there are that many.

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

    def tensors(self) -> dict[str, Tensor]:
        """The contents for a checkpoint, as copies: ``N.paintings`` and ``N.targets``; N is 0 for the oldest batch."""
        kept = {f"{n}.paintings": batch.paintings for n, batch in enumerate(self._batches)}
        kept |= {f"{n}.targets": batch.targets for n, batch in enumerate(self._batches) if batch.targets is not None}
        return {name: torch.from_numpy(pictures.copy()) for name, pictures in kept.items()}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Replace the contents by those that :meth:`tensors` returned."""
        self._batches.clear()
        for n in range(sum(name.endswith(".paintings") for name in tensors)):
            targets = tensors.get(f"{n}.targets")
            self.add(tensors[f"{n}.paintings"].numpy(), None if targets is None else targets.numpy())
