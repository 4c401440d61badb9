"""What a policy objective is: the returns that it learns from, and the loss that the policy's gradient is taken of."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import Tensor

from spiral.policy import EvaluatedActions
from spiral.services.learner.batch import Batch
from spiral.services.learner.returns import Returns, lambda_returns


class PolicyObjective(ABC):
    """One of ``learner.off_policy``."""

    __slots__ = ()
    needs_proximal: ClassVar[bool] = False
    """Whether ``Batch.proximal_log_prob`` has to be there, which costs a forward pass."""

    def returns(
        self, evaluated: EvaluatedActions, bootstrap_value: Tensor, batch: Batch, discount: float, trace_decay: float
    ) -> Returns:
        """Targets and advantages, here λ-returns; ``bootstrap_value`` ``[B]`` is the value after the last action."""
        return lambda_returns(
            batch.rewards, evaluated.value.detach(), bootstrap_value, discount=discount, trace_decay=trace_decay
        )

    @abstractmethod
    def loss(self, log_prob: Tensor, advantages: Tensor, batch: Batch) -> Tensor:
        """The loss of log π(a) ``[T, B]``, a mean over ``[T, B]``; ``advantages`` ``[T, B]`` carry no gradient."""
