"""The policy gradient with V-trace (Espeholt et al. 2018, section 4.2): what IMPALA does, and SPIRAL with it."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from spiral.configuration.schema import LearnerConfig
from spiral.policy import EvaluatedActions
from spiral.services.learner.batch import Batch
from spiral.services.learner.objectives.objective import PolicyObjective
from spiral.services.learner.returns import Returns, vtrace


@dataclass(frozen=True, slots=True)
class VTrace(PolicyObjective):
    """−min(ρ̄, π/μ) log π(a) A."""

    rho_bar: float
    c_bar: float

    def returns(
        self, evaluated: EvaluatedActions, bootstrap_value: Tensor, batch: Batch, discount: float, trace_decay: float
    ) -> Returns:
        """V-trace."""
        return vtrace(
            (evaluated.log_prob - batch.behaviour_log_prob).detach(),
            batch.rewards,
            evaluated.value.detach(),
            bootstrap_value,
            discount=discount,
            trace_decay=trace_decay,
            rho_bar=self.rho_bar,
            c_bar=self.c_bar,
        )

    def loss(self, log_prob: Tensor, advantages: Tensor, batch: Batch) -> Tensor:
        """The importance weight is a constant."""
        rho = (log_prob - batch.behaviour_log_prob).detach().exp().clamp(max=self.rho_bar)
        return policy_gradient_loss(log_prob, advantages, rho)


def policy_gradient_loss(log_prob: Tensor, advantages: Tensor, weights: Tensor) -> Tensor:
    """−ρ log π(a) A; ``weights`` are the truncated importance weights ρ, ones where nothing is corrected."""
    return -(log_prob * (weights * advantages).detach()).mean()


def build(config: LearnerConfig) -> VTrace:
    """The objective as configured."""
    return VTrace(config.rho_bar, config.c_bar)
