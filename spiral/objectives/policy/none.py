"""The policy gradient as if the newest weights had painted: nothing corrects for the older weights that did."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spiral.objectives.policy import PolicyObjective, Steps

if TYPE_CHECKING:
    from torch import Tensor


class Uncorrected(PolicyObjective):
    """−log π(a) A."""

    def loss(self, steps: Steps, advantages: Tensor) -> Tensor:
        """The plain policy gradient."""
        return -(steps.log_prob * advantages).mean()
