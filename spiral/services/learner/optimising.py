"""The optimizer, and the clipping of gradients before it."""

from __future__ import annotations

import torch
from torch import Tensor

from spiral.configuration.schema import LearnerConfig
from spiral.policy import Policy


def clip_gradient(parameters: list[torch.nn.Parameter], largest: float) -> Tensor:
    """Scale the gradient down to the norm ``largest`` if it is larger. Returns the norm before."""
    gradients = [p.grad for p in parameters if p.grad is not None]
    norm = torch.nn.utils.get_total_norm(gradients)
    if norm > largest:  # torch's clipping always multiplies, mostly by one
        torch.nn.utils.clip_grads_with_norm_(parameters, largest, norm)
    return norm


def make_optimiser(policy: Policy, config: LearnerConfig) -> torch.optim.Optimizer:
    """Adam, or RMSProp with IMPALA's constants."""
    if config.optimiser == "rmsprop":
        return torch.optim.RMSprop(policy.parameters(), lr=config.learning_rate, alpha=0.99, eps=0.1)
    return torch.optim.Adam(policy.parameters(), lr=config.learning_rate, fused=True)
