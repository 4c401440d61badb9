"""Where the unrolls of a batch lie in their episodes.

A long episode is cut into equal unrolls of at most ``unroll`` actions; equal, so that the last one needs the least
padding. Episodes no longer than ``unroll`` travel whole.

Each unroll is self-contained: it includes the policy's memory, the blank start and all actions before it. So the
learner keeps nothing between two unrolls, a lost one costs no other, and penalties and programs are those of the whole
episode. After an unroll the policy's value stands for the rewards still to come.

Neighboring unrolls share a picture, which is scored with both. So each difference of scores comes from one
discriminator version, and the differences of all unrolls add up to that of the episode. The discriminator remembers
only final pictures of episodes, but every batch earns its updates.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spiral.values.trajectories import Trajectory


@dataclass(frozen=True, slots=True)
class Places:
    """Where ``B`` unrolls of ``T`` actions, or whole episodes, lie in their episodes."""

    first_step: NDArray[np.int32]
    """``[B]``: actions executed before the unroll."""
    valid: NDArray[np.bool_]
    """``[T, B]``: executed actions; the others pad an episode's last unroll."""
    ends: NDArray[np.bool_]
    """``[B]``: whether the episode ends with the unroll."""
    last: NDArray[np.intp]
    """``[B]``: position of the last executed action."""
    num_actions: int
    """Actions of an episode."""

    def at_end(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """``[T, B]``: ``values`` ``[B]`` at the last action of the episodes that end, 0 elsewhere."""
        placed = np.zeros(self.valid.shape, np.float32)
        placed[self.last, np.arange(len(self.last))] = np.where(self.ends, values, np.float32(0))
        return placed

    def here(self, of_episode: NDArray[np.float32]) -> NDArray[np.float32]:
        """The part ``[T, B]`` of an array ``[num_actions, B]`` over whole episodes."""
        steps = self.first_step + np.arange(len(self.valid))[:, None]
        part = of_episode[np.minimum(steps, len(of_episode) - 1), np.arange(len(self.first_step))]
        return np.where(self.valid, part, np.float32(0))


def places(trajectory: Trajectory, num_actions: int) -> Places:
    """Where a batch lies in episodes of ``num_actions``."""
    length, batch = trajectory.actions.shape[:2]
    first = np.zeros(batch, np.int32) if trajectory.first_step is None else trajectory.first_step
    left = num_actions - first
    return Places(first, np.arange(length)[:, None] < left, left <= length, np.minimum(left, length) - 1, num_actions)


def finished(trajectory: Trajectory, where: Places) -> Trajectory | None:
    """The episodes that end in the batch, with their whole programs but only the unroll's pictures; None: none."""
    if trajectory.first_step is None:
        return trajectory
    ends = where.ends
    if not ends.any():
        return None
    return Trajectory(
        trajectory.observations[:, ends],
        trajectory.program(where.num_actions)[:, ends],
        trajectory.behaviour_log_prob[:, ends],
        targets=None if trajectory.targets is None else trajectory.targets[ends],
    )


def last_actions(batch: Trajectory) -> NDArray[np.int32]:
    """The action before each unroll, int32 ``[B, K]``; zeros at the start of an episode."""
    assert batch.first_step is not None
    assert batch.earlier is not None
    before = batch.earlier[np.maximum(batch.first_step - 1, 0), np.arange(batch.batch)]
    return np.where(batch.first_step[:, None] > 0, before, 0).astype(np.int32)
