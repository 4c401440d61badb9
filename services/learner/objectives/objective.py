"""What a policy objective is: the returns that it learns from, and the loss that the policy's gradient is taken of."""

from __future__ import annotations

from typing import ClassVar, Protocol

from torch import Tensor

from services.learner.batch import Batch
from services.learner.returns import Returns
from spiral.policy import Judged


class PolicyObjective(Protocol):
    """One of ``learner.off_policy``."""

    needs_proximal: ClassVar[bool]
    """Whether ``Batch.proximal_log_prob`` has to be there, which costs a forward pass."""

    def returns(
        self, judged: Judged, bootstrap_value: Tensor, batch: Batch, discount: float, trace_decay: float
    ) -> Returns:
        """Targets and advantages; ``bootstrap_value`` ``[B]`` is the value after the last action."""
        ...

    def loss(self, log_prob: Tensor, advantages: Tensor, batch: Batch) -> Tensor:
        """The loss of log π(a) ``[T, B]``, a mean over ``[T, B]``; ``advantages`` ``[T, B]`` carry no gradient."""
        ...
