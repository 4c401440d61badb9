"""Several paintings of one target in a batch: each one's advantages are compared with those of the others.

If a target is hard, it is hard for every painting of it, and that is no painting's fault. Whatever the value function
does not know about the target cancels in the difference. After Kool et al. 2019, "Buy 4 REINFORCE samples, get a
baseline for free!"; not part of the paper.

The discriminator hands out each target ``learner.paintings_per_target`` times in a row: four times in the presets with
digits, characters and cartoon faces as targets, once (the paper's method) in the others. The learner finds companions
by comparing targets, so an actor need not know about them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from spiral.values.trajectories import Trajectory


def companions_of(batch: Trajectory) -> NDArray[np.int64]:
    """int64 ``[B]``: a number for each different target; for unrolls, for each target and first step."""
    assert batch.targets is not None  # the configuration ensures it
    rows = batch.targets.reshape(batch.batch, -1)
    if batch.first_step is not None:
        rows = np.concatenate([rows, batch.first_step[:, None].view(np.uint8)], axis=1)
    # Each target is viewed as one value; rows would be compared number by number.
    whole = np.ascontiguousarray(rows).view(np.dtype((np.void, rows.shape[1])))[:, 0]
    return np.unique(whole, return_inverse=True)[1]


def shuffled(companions: NDArray[np.int64], shuffle: np.random.Generator) -> NDArray[np.int64]:
    """All episodes ``[B]`` in random order, but companions next to each other."""
    place = shuffle.permutation(companions.max() + 1)
    return np.argsort(place[companions], kind="stable")


def against_companions(advantages: Tensor, companions: Tensor | None) -> Tensor:
    """``[T, B]``: from each advantage the mean of its companions' advantages at that step is subtracted. An episode
    without companions keeps its own."""
    if companions is None:
        return advantages
    alike = (companions.unsqueeze(1) == companions).to(advantages.dtype)
    others = alike.sum(0) - 1
    return advantages - (advantages @ alike - advantages) / others.clamp(min=1)
