"""The policy gradient as if the newest weights had painted: nothing corrects for those that did."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from services.learner.batch import Batch
from services.learner.objectives.vtrace import policy_gradient_loss
from services.learner.returns import Returns, lambda_returns
from spiral.configuration.schema import LearnerConfig
from spiral.policy import Judged


@dataclass(frozen=True, slots=True)
class Uncorrected:
    """−log π(a) A."""

    needs_proximal: ClassVar[bool] = False

    def returns(
        self, judged: Judged, bootstrap_value: Tensor, batch: Batch, discount: float, trace_decay: float
    ) -> Returns:
        """λ-returns."""
        return lambda_returns(
            batch.rewards, judged.value.detach(), bootstrap_value, discount=discount, trace_decay=trace_decay
        )

    def loss(self, log_prob: Tensor, advantages: Tensor, batch: Batch) -> Tensor:
        """The plain policy gradient."""
        return policy_gradient_loss(log_prob, advantages, torch.ones_like(advantages))


def build(config: LearnerConfig) -> Uncorrected:
    """The objective; it has no settings."""
    return Uncorrected()
