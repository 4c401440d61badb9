"""The policy gradient as if the newest weights had painted: nothing corrects for those that did."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from spiral.configuration.schema import LearnerConfig
from spiral.services.learner.batch import Batch
from spiral.services.learner.objectives.objective import PolicyObjective
from spiral.services.learner.objectives.vtrace import policy_gradient_loss


@dataclass(frozen=True, slots=True)
class Uncorrected(PolicyObjective):
    """−log π(a) A."""

    def loss(self, log_prob: Tensor, advantages: Tensor, batch: Batch) -> Tensor:
        """The plain policy gradient."""
        return policy_gradient_loss(log_prob, advantages, torch.ones_like(advantages))


def build(config: LearnerConfig) -> Uncorrected:
    """The objective; it has no settings."""
    return Uncorrected()
