"""Batches as the policy's learner makes them, for the tests of what is made of them."""

from __future__ import annotations

import numpy as np

from spiral.configuration.schema import LearnerConfig
from spiral.policy import Policy
from spiral.services.learner.batch import Batch
from spiral.services.learner.unrolls import places
from spiral.values.trajectories import Trajectory


def batch_of(policy: Policy, trajectory: Trajectory, config: LearnerConfig | None = None) -> Batch:
    """A trajectory that nothing was paid for."""
    rewards = np.zeros(trajectory.actions.shape[:2], np.float32)
    return Batch.of(trajectory, rewards, places(trajectory, policy.num_actions), policy, config or LearnerConfig())
