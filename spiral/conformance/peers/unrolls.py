"""Long episodes cut into unrolls, as TrajectoryHeader's comment says it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spiral.values.trajectories import Trajectory, last_start


def cut(whole: Trajectory, length: int, first_step: NDArray[np.int32], state: NDArray[np.float32] | None) -> Trajectory:
    """For each of B episodes, the unroll of ``length`` actions that begins after ``first_step`` [B] actions."""
    num_actions, episodes = len(whole.actions), np.arange(whole.batch)
    steps = first_step + np.arange(length)[:, None]
    executed, at = steps < num_actions, np.minimum(steps, num_actions - 1)
    seen = np.minimum(first_step + np.arange(length + 1)[:, None], num_actions)
    before = np.arange(last_start(num_actions, length))[:, None]
    return Trajectory(
        whole.observations[seen, episodes],
        whole.actions[at, episodes] * executed[:, :, None],
        whole.behaviour_log_prob[at, episodes] * executed,
        whole.noise,
        whole.targets,
        first_step=first_step,
        earlier=whole.actions[: len(before)] * (before < first_step)[:, :, None],
        blank=whole.observations[0],
        state=state,
    )
