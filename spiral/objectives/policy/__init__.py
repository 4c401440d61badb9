"""The training objectives of the policy: ``learner.off_policy``."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from spiral.objectives.objective import Objective

if TYPE_CHECKING:
    from torch import Tensor

    from spiral.objectives.vtrace_returns import Returns


@dataclass(frozen=True, slots=True)
class Steps:
    """The actions of a minibatch as an objective sees them: float32 ``[T, B]``, time-major."""

    log_prob: Tensor
    """log π(a) under the policy that learns; the only field with a gradient."""
    behaviour_log_prob: Tensor
    """log μ(a) under the policy that painted."""
    proximal_log_prob: Tensor | None
    """log π(a) under the policy before the batch's first update, if the objective needs it."""
    rewards: Tensor
    values: Tensor
    """V(x_t)."""
    bootstrap_value: Tensor
    """``[B]``: V(x_T), 0 if the episode ends with the last action."""


class PolicyObjective(Objective):
    """The returns that the value function learns, and the policy's loss."""

    needs_proximal: ClassVar[bool] = False
    """Whether it needs ``Steps.proximal_log_prob``, which costs a forward pass."""

    def returns(self, steps: Steps, discount: float, trace_decay: float) -> Returns:
        """Targets and advantages, without gradient; by default λ-returns."""
        from spiral.objectives.vtrace_returns import lambda_returns

        return lambda_returns(
            steps.rewards, steps.values, steps.bootstrap_value, discount=discount, trace_decay=trace_decay
        )

    @abstractmethod
    def loss(self, steps: Steps, advantages: Tensor) -> Tensor:
        """Scalar to minimize, a mean over ``[T, B]``; ``advantages`` ``[T, B]`` carry no gradient."""
