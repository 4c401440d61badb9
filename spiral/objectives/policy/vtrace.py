"""The policy gradient with V-trace (Espeholt et al. 2018, section 4.2), as in IMPALA, and so in SPIRAL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from spiral.objectives.policy import PolicyObjective, Steps

if TYPE_CHECKING:
    from torch import Tensor

    from spiral.objectives.vtrace_returns import Returns


class VTrace(PolicyObjective):
    """−min(ρ̄, π/μ) log π(a) A."""

    rho_bar: float = Field(1.0, gt=0, allow_inf_nan=True)
    """ρ̄: truncation of the importance weights in temporal differences and gradient; .inf: none."""
    c_bar: float = Field(1.0, gt=0, allow_inf_nan=True)
    """c̄: truncation of the importance weights in the trace; .inf: none."""

    def returns(self, steps: Steps, discount: float, trace_decay: float) -> Returns:
        """V-trace targets and advantages."""
        from spiral.objectives.vtrace_returns import vtrace

        return vtrace(
            (steps.log_prob - steps.behaviour_log_prob).detach(),
            steps.rewards,
            steps.values,
            steps.bootstrap_value,
            discount=discount,
            trace_decay=trace_decay,
            rho_bar=self.rho_bar,
            c_bar=self.c_bar,
        )

    def loss(self, steps: Steps, advantages: Tensor) -> Tensor:
        """The weighted policy gradient; the importance weight is a constant."""
        rho = (steps.log_prob - steps.behaviour_log_prob).detach().exp().clamp(max=self.rho_bar)
        return -(steps.log_prob * (rho * advantages)).mean()
