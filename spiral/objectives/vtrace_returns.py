"""V-trace targets and advantages (Espeholt et al. 2018, section 4.1). Pure functions, time-major."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Returns(NamedTuple):
    """Targets and advantages, without gradient."""

    targets: Tensor
    """``[T, B]``: v_s, the target of the value function."""
    advantages: Tensor
    """``[T, B]``: r_s + γ (V(x_{s+1}) + λ (v_{s+1} − V(x_{s+1}))) − V(x_s), not yet weighted by ρ_s."""


@torch.no_grad()
def vtrace(
    log_rho: Tensor,
    rewards: Tensor,
    values: Tensor,
    bootstrap_value: Tensor,
    *,
    discount: float,
    trace_decay: float = 1.0,
    rho_bar: float = 1.0,
    c_bar: float = 1.0,
) -> Returns:
    """Off-policy corrected n-step targets.

    ``log_rho``, ``rewards``, ``values`` are float32 ``[T, B]``: log π/μ of the actions taken, rewards, V(x_t);
    ``bootstrap_value`` ``[B]`` is V(x_T), 0 if the episode ends with the last action. With ``log_rho`` = 0 they are the
    λ-returns of the behavior policy.

    With δ_t = ρ_t (r_t + γ V(x_{t+1}) − V(x_t)), ρ_t = min(ρ̄, π/μ) and c_t = λ min(c̄, π/μ):
    v_s − V(x_s) = δ_s + γ c_s (v_{s+1} − V(x_{s+1})).
    """
    ratio = log_rho.exp()
    rho = ratio.clamp(max=rho_bar)
    c = trace_decay * ratio.clamp(max=c_bar)
    next_values = torch.cat([values[1:], bootstrap_value.unsqueeze(0)])
    deltas = rho * (rewards + discount * next_values - values)
    above = torch.zeros_like(bootstrap_value)
    excess = torch.empty_like(values)
    for t in range(len(values) - 1, -1, -1):
        above = deltas[t] + discount * c[t] * above
        excess[t] = above
    targets = values + excess
    # With λ < 1 the advantage looks ahead by the trace's own mixture, as in GAE, so λ must enter here, too.
    next_targets = next_values + trace_decay * torch.cat([excess[1:], torch.zeros_like(excess[:1])])
    return Returns(targets, rewards + discount * next_targets - values)


def lambda_returns(
    rewards: Tensor, values: Tensor, bootstrap_value: Tensor, *, discount: float, trace_decay: float = 1.0
) -> Returns:
    """The λ-returns of the policy that painted: V-trace with importance weights of 1."""
    log_rho = torch.zeros_like(values)
    return vtrace(log_rho, rewards, values, bootstrap_value, discount=discount, trace_decay=trace_decay)
