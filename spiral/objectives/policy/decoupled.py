"""The surrogate clipped about the newest policy before the batch (Hilton et al. 2022, decoupled PPO).

In the services a batch is two batches old when it is learned from. Relative to the weights that painted it, much of it
is beyond the clip even before the first update. So the ratio to the policy before the batch is clipped instead: an old
batch may still move that policy by ε. Importance weights account for the rest. This costs a forward pass. For a fresh
batch, as in lockstep, this objective equals ``clip``. Presets with a target use it, except the paper's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from spiral.objectives.policy import PolicyObjective, Steps
from spiral.objectives.policy.clip import surrogate

if TYPE_CHECKING:
    from torch import Tensor


class Decoupled(PolicyObjective):
    """−min(ρ̄, π_p/μ) · min(r A, clip(r, 1 − ε, 1 + ε) A) with r = π/π_p, and π_p the policy before the batch."""

    needs_proximal: ClassVar[bool] = True
    rho_bar: float = Field(1.0, gt=0, allow_inf_nan=True)
    """ρ̄: truncation of the importance weights; .inf: none."""
    clip: float = Field(0.2, gt=0, lt=1)
    """ε: largest relative change of an action's probability."""

    def loss(self, steps: Steps, advantages: Tensor) -> Tensor:
        """The weighted surrogate."""
        assert steps.proximal_log_prob is not None
        weight = (steps.proximal_log_prob - steps.behaviour_log_prob).exp().clamp(max=self.rho_bar)
        return -(weight * surrogate(steps.log_prob, steps.proximal_log_prob, advantages, self.clip)).mean()
