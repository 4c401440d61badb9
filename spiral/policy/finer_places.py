"""Weights for one lattice of places, made to fit a finer one, with which a model paints much as before.

Where the model was sure of a place it stays sure; where it wavered it wavers between more places. A new place begins as
the mean of its neighbors, slightly less likely than they are. For longer programs, new steps begin as the last one. So
the model paints at first as it did (only nearly so where it sees from its pen), and what it then gains is a gain
(docs/notebook/targets.md).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from spiral.policy.glimpse import bins

SHYNESS = 1.5
"""Taken off the logits of places that are new, so that few are chosen before it is learned what they are good for."""


def refine(rows: Tensor, side: int) -> Tensor:
    """Rows ``[places, …]`` of a coarser square lattice for one of ``side²`` places, linear between neighbors.

    Place i of n lies at i/n of the canvas (docs/method.md, 4), so that an old place is found again where ``side`` is a
    multiple, and beyond the last one there is no neighbor. Unchanged where they are no square lattice that is coarser.
    """
    before = math.isqrt(len(rows))
    if before**2 != len(rows) or not 0 < before < side:
        return rows
    across = _between(before, side).to(rows)
    lattice = rows.reshape(before, before, -1)
    return torch.einsum("ai,bj,ijk->abk", across, across, lattice).reshape(side * side, *rows.shape[1:])


def shyness(before: int, side: int) -> Tensor:
    """What is taken off the logit of each of ``side²`` places: float32 ``[side²]``, 0 for those of the old lattice, and
    for all where that is no part of the new one."""
    if side % before:
        return torch.zeros(side**2)
    new = torch.arange(side) % (side // before) != 0
    return SHYNESS * (new.unsqueeze(1) | new).flatten().float()


def refine_offsets(rows: Tensor, before: int, side: int) -> Tensor:
    """Rows ``[bins², …]`` of offsets between ``before²`` places, for ``side²``: linear between those told apart before.

    Fewer of finer places are near, so some that had a bin each share one now. Unchanged where they are others.
    """
    old, new = bins(before), bins(side)
    if len(rows) != (old.max() + 1) ** 2:
        return rows
    # Along one axis: each new bin is the mean of its distances, each of them lies between two old ones with bins.
    known = nn.functional.one_hot(old).float()
    between = _linear((torch.arange(1 - side, side) * before / side + before - 1).clamp(0, len(old) - 1), len(old))
    of_bin = nn.functional.one_hot(new).float().T
    across = (of_bin / of_bin.sum(1, keepdim=True) @ between @ known).to(rows)
    lattice = rows.reshape(across.shape[1], across.shape[1], -1)
    return torch.einsum("ai,bj,ijk->abk", across, across, lattice).reshape(len(across) ** 2, *rows.shape[1:])


def _between(before: int, side: int) -> Tensor:
    """Weights ``[side, before]`` of the old places for each new one along one axis."""
    return _linear(torch.arange(side) * before / side, before)


def _linear(at: Tensor, size: int) -> Tensor:
    """Weights ``[…, size]`` of neighbors for points from 0 on, short of ``size``; beyond the last there is none."""
    low = at.long()
    weights = torch.zeros(len(at), size)
    rows = torch.arange(len(at))
    weights[rows, low] += 1 - (at - low)
    weights[rows, (low + 1).clamp(max=size - 1)] += at - low
    return weights
