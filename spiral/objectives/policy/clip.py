"""The clipped surrogate about the policy that painted (PPO, Schulman et al. 2017, equation 7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from spiral.objectives.policy import PolicyObjective, Steps

if TYPE_CHECKING:
    from torch import Tensor


class Clip(PolicyObjective):
    """−min(r A, clip(r, 1 − ε, 1 + ε) A) with r = π/μ."""

    clip: float = Field(0.2, gt=0, lt=1)
    """ε: largest relative change of an action's probability."""

    def loss(self, steps: Steps, advantages: Tensor) -> Tensor:
        """The surrogate."""
        return -surrogate(steps.log_prob, steps.behaviour_log_prob, advantages, self.clip).mean()


def surrogate(log_prob: Tensor, anchor_log_prob: Tensor, advantages: Tensor, clip: float) -> Tensor:
    """min(r A, clip(r, 1 − ε, 1 + ε) A) ``[T, B]``; r is the ratio of the policy to its anchor."""
    ratio = (log_prob - anchor_log_prob).exp()
    return (ratio * advantages).minimum(ratio.clamp(1 - clip, 1 + clip) * advantages)
