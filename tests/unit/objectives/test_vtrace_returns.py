"""V-trace against the paper's own sum."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from spiral.objectives.vtrace_returns import vtrace


def slow_vtrace(log_rho, rewards, values, bootstrap, discount, trace_decay, rho_bar, c_bar):
    """v_s = V(x_s) + Σ_{t≥s} γ^{t−s} (Π_{i=s}^{t−1} c_i) δ_t V, written out as it stands in the paper (equation 1).

    Quadratic in T where the real one is a single backward scan: that is the point.
    """
    T, B = rewards.shape
    ratio = np.exp(log_rho)
    rho, c = np.minimum(ratio, rho_bar), trace_decay * np.minimum(ratio, c_bar)
    next_values = np.concatenate([values[1:], bootstrap[None]])
    targets = np.zeros((T, B))
    for s in range(T):
        for b in range(B):
            total = values[s, b]
            for t in range(s, T):
                product = 1.0
                for i in range(s, t):
                    product *= c[i, b]
                delta = rho[t, b] * (rewards[t, b] + discount * next_values[t, b] - values[t, b])
                total += discount ** (t - s) * product * delta
            targets[s, b] = total
    return targets


@pytest.fixture
def batch():
    rng = np.random.default_rng(0)
    T, B = 7, 5
    return {
        "log_rho": rng.normal(0, 0.7, (T, B)),
        "rewards": rng.normal(0, 1, (T, B)),
        "values": rng.normal(0, 1, (T, B)),
        "bootstrap_value": rng.normal(0, 1, B),
    }


def computed(batch, **settings):
    return vtrace(**{name: torch.from_numpy(array) for name, array in batch.items()}, **settings)


@pytest.mark.parametrize(
    ("discount", "trace_decay", "rho_bar", "c_bar"),
    [(1.0, 1.0, 1.0, 1.0), (0.9, 1.0, 1.0, 1.0), (0.9, 0.8, 1.0, 1.0), (0.95, 1.0, 3.7, 2.2), (0.0, 1.0, 1.0, 1.0)],
)
def test_targets_are_the_sum_of_the_paper(batch, discount, trace_decay, rho_bar, c_bar):
    targets, _ = computed(batch, discount=discount, trace_decay=trace_decay, rho_bar=rho_bar, c_bar=c_bar)
    expected = slow_vtrace(*batch.values(), discount, trace_decay, rho_bar, c_bar)
    np.testing.assert_allclose(targets.numpy(), expected, atol=1e-6)


def test_advantages_look_ahead_to_the_next_target(batch):
    targets, advantages = computed(batch, discount=0.9)
    next_targets = np.concatenate([targets[1:].numpy(), batch["bootstrap_value"][None]])
    np.testing.assert_allclose(advantages.numpy(), batch["rewards"] + 0.9 * next_targets - batch["values"], atol=1e-6)


def test_on_policy_targets_are_n_step_returns(batch):
    """Checklist of the method, item 4."""
    batch["log_rho"] = np.zeros_like(batch["log_rho"])
    targets, _ = computed(batch, discount=0.9)
    expected = np.zeros_like(batch["rewards"])
    following = batch["bootstrap_value"]
    for t in reversed(range(len(expected))):
        following = expected[t] = batch["rewards"][t] + 0.9 * following
    np.testing.assert_allclose(targets.numpy(), expected, atol=1e-6)


def test_on_policy_advantages_with_decay_are_gae(batch):
    batch["log_rho"] = np.zeros_like(batch["log_rho"])
    _, advantages = computed(batch, discount=0.9, trace_decay=0.7)
    next_values = np.concatenate([batch["values"][1:], batch["bootstrap_value"][None]])
    deltas = batch["rewards"] + 0.9 * next_values - batch["values"]
    expected = np.zeros_like(deltas)
    for s in range(len(deltas)):
        for t in range(s, len(deltas)):
            expected[s] += (0.9 * 0.7) ** (t - s) * deltas[t]
    np.testing.assert_allclose(advantages.numpy(), expected, atol=1e-6)


def test_no_gradient_flows_through_targets_or_advantages(batch):
    tensors = {name: torch.from_numpy(array).requires_grad_() for name, array in batch.items()}
    returns = vtrace(**tensors, discount=1.0)
    assert not returns.targets.requires_grad
    assert not returns.advantages.requires_grad
