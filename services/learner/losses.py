"""What the policy's gradient is taken of. Pure functions; all losses are means over ``[T, B]``."""

from __future__ import annotations

import torch
from torch import Tensor


def policy_gradient_loss(log_prob: Tensor, advantages: Tensor, weights: Tensor) -> Tensor:
    """−ρ log π(a) A; ``weights`` are the truncated importance weights ρ, ones where nothing is corrected."""
    return -(log_prob * (weights * advantages).detach()).mean()


def clipped_surrogate_loss(log_prob: Tensor, behaviour_log_prob: Tensor, advantages: Tensor, clip: float) -> Tensor:
    """−min(r A, clip(r, 1 − ε, 1 + ε) A) with r = π/μ (Schulman et al. 2017, equation 7)."""
    return -_surrogate(log_prob, behaviour_log_prob, advantages, clip).mean()


def decoupled_surrogate_loss(
    log_prob: Tensor, proximal_log_prob: Tensor, behaviour_log_prob: Tensor, advantages: Tensor, clip: float, bar: float
) -> Tensor:
    """−min(π_p/μ, bar) · min(r A, clip(r, 1 − ε, 1 + ε) A) with r = π/π_p (Hilton et al. 2022, decoupled PPO).

    π_p is the policy before the batch's first update. An old batch then may still move it by ε, while against μ most of
    it would be beyond the clip from the start.
    """
    weight = (proximal_log_prob - behaviour_log_prob).exp().clamp(max=bar)
    return -(weight * _surrogate(log_prob, proximal_log_prob, advantages, clip)).mean()


def _surrogate(log_prob: Tensor, anchor_log_prob: Tensor, advantages: Tensor, clip: float) -> Tensor:
    ratio = (log_prob - anchor_log_prob).exp()
    advantages = advantages.detach()
    return torch.minimum(ratio * advantages, ratio.clamp(1 - clip, 1 + clip) * advantages)


def value_loss(values: Tensor, targets: Tensor) -> Tensor:
    """½ (v − V)²."""
    return 0.5 * (targets.detach() - values).square().mean()


def entropy_bonus(entropy: Tensor, costs: Tensor) -> Tensor:
    """Σ_k c_k H_k, the mean over ``[T, B]`` of ``entropy`` ``[T, B, K]``; ``costs`` ``[K]``."""
    return (entropy * costs).sum(-1).mean()
