"""The losses besides the policy objective. Pure functions; means over ``[T, B]``."""

from __future__ import annotations

from torch import Tensor


def value_loss(values: Tensor, targets: Tensor) -> Tensor:
    """½ (v − V)²."""
    return 0.5 * (targets.detach() - values).square().mean()


def entropy_bonus(entropy: Tensor, costs: Tensor) -> Tensor:
    """Σ_k c_k H_k, the mean over ``[T, B]`` of ``entropy`` ``[T, B, K]``; ``costs`` ``[K]``."""
    return (entropy * costs).sum(-1).mean()
