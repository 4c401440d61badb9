"""Several paintings of one target in a batch: each one's advantages are taken against the others'.

What makes a target hard for every painting of it is no merit or fault of one; what the value function does not know of
it falls out of the difference. After Kool et al. 2019, "Buy 4 REINFORCE samples, get a baseline for free!"; not of the
paper.

The discriminator hands out each target ``learner.paintings_per_target`` times in a row: four times in the presets of
digits, characters and cartoon faces with a target, once (the paper's method) in the others. The learner finds
companions by comparing targets, so an actor need not know about them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from spiral.values.trajectories import Trajectory


def companions_of(batch: Trajectory) -> NDArray[np.int64]:
    """A number for each different target, of unrolls for each of its steps: int64 ``[B]``."""
    assert batch.targets is not None  # the configuration sees to it
    rows = batch.targets.reshape(batch.batch, -1)
    if batch.first_step is not None:
        rows = np.concatenate([rows, batch.first_step[:, None].view(np.uint8)], axis=1)
    # Seen as one value each: as rows of numbers they would be compared number by number.
    whole = np.ascontiguousarray(rows).view(np.dtype((np.void, rows.shape[1])))[:, 0]
    return np.unique(whole, return_inverse=True)[1]


def shuffled(companions: NDArray[np.int64], shuffle: np.random.Generator) -> NDArray[np.int64]:
    """All episodes ``[B]`` in an order at random in which companions follow each other."""
    place = shuffle.permutation(companions.max() + 1)
    return np.argsort(place[companions], kind="stable")


def against_companions(advantages: Tensor, companions: Tensor | None) -> Tensor:
    """``[T, B]`` less the mean of the other episodes' with the same target, step by step; unchanged where there is
    none."""
    if companions is None:
        return advantages
    alike = (companions.unsqueeze(1) == companions).to(advantages.dtype)
    others = alike.sum(0) - 1
    return advantages - (advantages @ alike - advantages) / others.clamp(min=1)
