"""The update that is timed to choose the learner's precision."""

from __future__ import annotations

import copy

import numpy as np

from spiral.computing.precision import Precision, Step
from spiral.services.learner.policy_learner import PolicyLearner
from spiral.services.learner.trainer import Trainer
from spiral.values.trajectories import Trajectory

FRAMES_ON_CPU = 48
"""On a CPU this many frames are enough to tell which precision is faster. Only whole minibatches keep a GPU busy."""


def policy_trial(trainer: Trainer, precision: Precision) -> Step:
    """One update of a copy of the policy on blank pictures; the run's own learner stays as it is."""
    settings = trainer.config.learner
    episodes = max(1, settings.batch // settings.minibatches)
    if precision.device == "cpu":
        _, (length, *_) = trainer.contract.tensors(1)["actions"]
        episodes = max(1, min(episodes, FRAMES_ON_CPU // length))
    once = settings.model_copy(update={"reuse": 1, "minibatches": 1, "hold_batches": 0})
    learner = PolicyLearner(copy.deepcopy(trainer.learner.policy), once, seed=0)
    learner.precision = precision
    tensors = trainer.contract.tensors(episodes)
    batch = Trajectory(**{name: np.zeros(shape, dtype) for name, (dtype, shape) in tensors.items()})
    rewards = np.ones(batch.behaviour_log_prob.shape, np.float32)
    return lambda: learner.learn(batch, rewards)
