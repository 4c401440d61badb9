"""Where the unrolls of a batch lie in their episodes, and what the policy's learner does about it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spiral.policy import Judged, Policy, State
from spiral.trajectories import Trajectory


@dataclass(frozen=True, slots=True)
class Places:
    """Of ``B`` unrolls of ``T`` actions, or of whole episodes."""

    first_step: NDArray[np.int32]
    """``[B]``: actions executed before."""
    valid: NDArray[np.bool_]
    """``[T, B]``: actions that were executed; the others fill up an episode's last unroll."""
    ends: NDArray[np.bool_]
    """``[B]``: whether the episode ends with it."""
    last: NDArray[np.intp]
    """``[B]``: position of the last action that was executed."""

    def at_end(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """``[T, B]``: ``values`` ``[B]`` at the last action of the episodes that end, 0 elsewhere."""
        placed = np.zeros(self.valid.shape, np.float32)
        placed[self.last, np.arange(len(self.last))] = np.where(self.ends, values, np.float32(0))
        return placed

    def here(self, of_episode: NDArray[np.float32]) -> NDArray[np.float32]:
        """The part ``[T, B]`` of what is known of the actions of whole episodes, ``[num_actions, B]``."""
        steps = self.first_step + np.arange(len(self.valid))[:, None]
        part = of_episode[np.minimum(steps, len(of_episode) - 1), np.arange(len(self.first_step))]
        return np.where(self.valid, part, np.float32(0))


def places(trajectory: Trajectory, num_actions: int) -> Places:
    """Where a batch lies in episodes of ``num_actions``."""
    length, batch = trajectory.actions.shape[:2]
    first = np.zeros(batch, np.int32) if trajectory.first_step is None else trajectory.first_step
    left = num_actions - first
    return Places(first, np.arange(length)[:, None] < left, left <= length, np.minimum(left, length) - 1)


def finished(trajectory: Trajectory, num_actions: int) -> Trajectory | None:
    """The episodes that end with the batch, each with its whole program but the unroll's pictures alone; None: none."""
    if trajectory.first_step is None:
        return trajectory
    ends = places(trajectory, num_actions).ends
    if not ends.any():
        return None
    return Trajectory(
        trajectory.observations[:, ends],
        trajectory.program(num_actions)[:, ends],
        trajectory.behaviour_log_prob[:, ends],
        targets=None if trajectory.targets is None else trajectory.targets[ends],
    )


class Cut(NamedTuple):
    """What a batch of unrolls has beside its steps."""

    state: State
    """What the policy held before the first action, under the weights that painted."""
    valid: Tensor
    """bool ``[T, B]``: actions that were executed; the others fill up an episode's last unroll."""
    goes_on: Tensor
    """bool ``[B]``: whether the episode goes on after the unroll."""

    def take(self, episodes: Tensor) -> Cut:
        """Some of them, by their indices."""
        return Cut(tuple(part[episodes] for part in self.state), self.valid[:, episodes], self.goes_on[episodes])

    def apply(self, judged: Judged) -> tuple[Judged, Tensor]:
        """What is thought of the executed actions, nothing of the others; and the value ``[B]`` after the last one.

        Without value, reward and entropy what fills up an unroll has part in no loss and no return.
        """
        values, after = judged.value[:-1] * self.valid, judged.value[-1].detach() * self.goes_on
        return replace(judged, value=values, entropy=judged.entropy * self.valid.unsqueeze(-1)), after


def cut_of(batch: Trajectory, policy: Policy) -> Cut:
    """What a batch of unrolls has beside its steps, where the policy is."""
    where, device = places(batch, policy.num_actions), policy.counts.device
    return Cut(
        () if batch.state is None else policy.unpack_state(torch.from_numpy(batch.state).to(device)),
        torch.from_numpy(where.valid).to(device),
        torch.from_numpy(~where.ends).to(device),
    )


def last_actions(batch: Trajectory) -> NDArray[np.int32]:
    """The action before each unroll, int32 ``[B, K]``; zeros at the start of an episode."""
    assert batch.first_step is not None
    assert batch.earlier is not None
    before = batch.earlier[np.maximum(batch.first_step - 1, 0), np.arange(batch.batch)]
    return np.where(batch.first_step[:, None] > 0, before, 0).astype(np.int32)
