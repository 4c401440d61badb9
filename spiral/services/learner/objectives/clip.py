"""The clipped surrogate about the policy that painted (PPO, Schulman et al. 2017, equation 7)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from spiral.configuration.schema import LearnerConfig
from spiral.services.learner.batch import Batch
from spiral.services.learner.objectives.objective import PolicyObjective


@dataclass(frozen=True, slots=True)
class Clip(PolicyObjective):
    """−min(r A, clip(r, 1 − ε, 1 + ε) A) with r = π/μ."""

    clip: float
    """ε."""

    def loss(self, log_prob: Tensor, advantages: Tensor, batch: Batch) -> Tensor:
        """The surrogate."""
        return clipped_surrogate_loss(log_prob, batch.behaviour_log_prob, advantages, self.clip)


def clipped_surrogate_loss(log_prob: Tensor, behaviour_log_prob: Tensor, advantages: Tensor, clip: float) -> Tensor:
    """−min(r A, clip(r, 1 − ε, 1 + ε) A) with r = π/μ."""
    return -surrogate(log_prob, behaviour_log_prob, advantages, clip).mean()


def surrogate(log_prob: Tensor, anchor_log_prob: Tensor, advantages: Tensor, clip: float) -> Tensor:
    """min(r A, clip(r, 1 − ε, 1 + ε) A) ``[T, B]``, with r the ratio of the policy to the one that is its anchor."""
    ratio = (log_prob - anchor_log_prob).exp()
    advantages = advantages.detach()
    return torch.minimum(ratio * advantages, ratio.clamp(1 - clip, 1 + clip) * advantages)


def build(config: LearnerConfig) -> Clip:
    """The objective as configured."""
    return Clip(config.clip)
