"""The surrogate clipped about the newest policy before the batch (Hilton et al. 2022, decoupled PPO).

An old batch may still move that policy by ε. About the policy that painted, most of an old batch would be beyond the
clip from the start.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from spiral.configuration.schema import LearnerConfig
from spiral.services.learner.batch import Batch
from spiral.services.learner.objectives.clip import surrogate
from spiral.services.learner.objectives.objective import PolicyObjective


@dataclass(frozen=True, slots=True)
class Decoupled(PolicyObjective):
    """−min(ρ̄, π_p/μ) · min(r A, clip(r, 1 − ε, 1 + ε) A) with r = π/π_p, and π_p the policy before the batch."""

    needs_proximal: ClassVar[bool] = True
    clip: float
    """ε."""
    rho_bar: float

    def loss(self, log_prob: Tensor, advantages: Tensor, batch: Batch) -> Tensor:
        """The weighted surrogate."""
        assert batch.proximal_log_prob is not None
        return decoupled_surrogate_loss(
            log_prob, batch.proximal_log_prob, batch.behaviour_log_prob, advantages, self.clip, self.rho_bar
        )


def decoupled_surrogate_loss(
    log_prob: Tensor, proximal_log_prob: Tensor, behaviour_log_prob: Tensor, advantages: Tensor, clip: float, bar: float
) -> Tensor:
    """−min(π_p/μ, bar) · min(r A, clip(r, 1 − ε, 1 + ε) A) with r = π/π_p."""
    weight = (proximal_log_prob - behaviour_log_prob).exp().clamp(max=bar)
    return -(weight * surrogate(log_prob, proximal_log_prob, advantages, clip)).mean()


def build(config: LearnerConfig) -> Decoupled:
    """The objective as configured."""
    return Decoupled(config.clip, config.rho_bar)
