"""The loss of an update, whole: policy objective, value, entropy and hindsight. Pure; means over ``[T, B]``."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from spiral.configuration.schema import LearnerConfig
from spiral.services.learner.batch import Batch
from spiral.services.learner.companions import against_companions
from spiral.services.learner.hindsight import EvaluateActions, evaluate_with_hindsight, hindsight_loss


class Losses(NamedTuple):
    """What an update descends, and what it is made of."""

    total: Tensor
    parts: dict[str, Tensor]
    """Losses by name, before they are weighted."""
    entropy: Tensor
    """``[T, B, K]``, nats, 0 where a component does not count."""


def losses_of(evaluate: EvaluateActions, batch: Batch, config: LearnerConfig, entropy_costs: Tensor) -> Losses:
    """Evaluate the actions of a batch, and sum the losses as ``config`` weights them; ``entropy_costs`` ``[K]``
    are those of this moment."""
    evaluated, imagined = evaluate_with_hindsight(evaluate, batch)
    evaluated, bootstrap_value = batch.executed(evaluated)
    steps = batch.steps(evaluated, bootstrap_value)
    returns = config.objective.returns(steps, config.discount, config.trace_decay)
    advantages = against_companions(returns.advantages.detach(), batch.companions)
    policy = config.objective.loss(steps, advantages)
    value = value_loss(evaluated.value, returns.targets)
    parts = {"policy": policy, "value": value}
    total = policy + config.value_cost * value - entropy_bonus(evaluated.entropy, entropy_costs)
    if imagined is not None:
        parts["hindsight"] = hindsight_loss(imagined, batch)
        total = total + config.hindsight * parts["hindsight"]
    return Losses(total, parts, evaluated.entropy)


def value_loss(values: Tensor, targets: Tensor) -> Tensor:
    """½ (v − V)²."""
    return 0.5 * (targets.detach() - values).square().mean()


def entropy_bonus(entropy: Tensor, costs: Tensor) -> Tensor:
    """Σ_k c_k H_k, the mean over ``[T, B]`` of ``entropy`` ``[T, B, K]``; ``costs`` ``[K]``."""
    return (entropy * costs).sum(-1).mean()
