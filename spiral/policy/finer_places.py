"""Adapts weights for one lattice of places to a finer one, with which a model paints much as before.

If the model was sure of a place, it stays sure; if it wavered, it wavers between more places. A new place begins as the
mean of its neighbors, slightly less likely than they are. For longer programs, new steps begin as copies of the last
one. So at first the model paints as it did (with a glimpse only nearly so), and every later gain is a real one
(docs/notebook/targets.md).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from spiral.policy.glimpse import bins

SHYNESS = 1.5
"""Subtracted from the logits of new places, so that few are chosen before the policy has learned their use."""


def refine(rows: Tensor, side: int) -> Tensor:
    """Rows ``[places, …]`` of a coarser square lattice, interpolated linearly to one of ``side²`` places.

    Place i of n lies at i/n of the canvas (docs/method.md, 4). So old places are kept exactly if ``side`` is a
    multiple, and beyond the last place there is no neighbor. Rows that are not a coarser square lattice are returned
    unchanged.
    """
    before = math.isqrt(len(rows))
    if before**2 != len(rows) or not 0 < before < side:
        return rows
    across = _between(before, side).to(rows)
    lattice = rows.reshape(before, before, -1)
    return torch.einsum("ai,bj,ijk->abk", across, across, lattice).reshape(side * side, *rows.shape[1:])


def shyness(before: int, side: int) -> Tensor:
    """What to subtract from the logit of each of ``side²`` places: float32 ``[side²]``. It is 0 for places of the old
    lattice, and for all places if the new lattice does not contain the old one."""
    if side % before:
        return torch.zeros(side**2)
    new = torch.arange(side) % (side // before) != 0
    return SHYNESS * (new.unsqueeze(1) | new).flatten().float()


def refine_offsets(rows: Tensor, before: int, side: int) -> Tensor:
    """Rows ``[bins², …]`` of offsets between ``before²`` places, interpolated linearly to ``side²`` places.

    With finer places fewer offsets are near, so some that had a bin each now share one. Other rows are returned
    unchanged.
    """
    old, new = bins(before), bins(side)
    if len(rows) != (old.max() + 1) ** 2:
        return rows
    # Along one axis, a new bin is the mean of its distances; each of these lies between two old ones that have bins.
    known = nn.functional.one_hot(old).float()
    between = _linear((torch.arange(1 - side, side) * before / side + before - 1).clamp(0, len(old) - 1), len(old))
    of_bin = nn.functional.one_hot(new).float().T
    across = (of_bin / of_bin.sum(1, keepdim=True) @ between @ known).to(rows)
    lattice = rows.reshape(across.shape[1], across.shape[1], -1)
    return torch.einsum("ai,bj,ijk->abk", across, across, lattice).reshape(len(across) ** 2, *rows.shape[1:])


def _between(before: int, side: int) -> Tensor:
    """Weights ``[side, before]`` of the old places for each new place along one axis."""
    return _linear(torch.arange(side) * before / side, before)


def _linear(at: Tensor, size: int) -> Tensor:
    """Weights ``[…, size]`` of the neighbors of points in 0 … ``size``; beyond the last place there is no neighbor."""
    low = at.long()
    weights = torch.zeros(len(at), size)
    rows = torch.arange(len(at))
    weights[rows, low] += 1 - (at - low)
    weights[rows, (low + 1).clamp(max=size - 1)] += at - low
    return weights
