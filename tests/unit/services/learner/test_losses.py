"""Losses beside the policy objective, against loops."""

from __future__ import annotations

import math

import numpy as np
import torch

from spiral.services.learner.losses import entropy_bonus, value_loss

rng = np.random.default_rng(1)
T, B, K = 4, 3, 2
values, targets = (rng.normal(-1, 0.5, (T, B)) for _ in range(2))
entropy = rng.uniform(0, 2, (T, B, K))


def tensor(array: np.ndarray, grad: bool = False) -> torch.Tensor:
    return torch.from_numpy(array.copy()).requires_grad_(grad)


def test_values_take_what_they_are_held_to_as_a_constant():
    fixed = tensor(targets, grad=True)
    value_loss(tensor(values, grad=True), fixed).backward()
    assert fixed.grad is None


def test_value_loss_is_half_the_square():
    expected = sum(0.5 * (targets[t, b] - values[t, b]) ** 2 for t in range(T) for b in range(B)) / (T * B)
    assert math.isclose(value_loss(tensor(values), tensor(targets)).item(), expected, rel_tol=1e-6)


def test_entropy_is_weighted_by_component():
    costs = np.array([0.5, 2.0])
    expected = sum(costs[k] * entropy[t, b, k] for t in range(T) for b in range(B) for k in range(K)) / (T * B)
    assert math.isclose(entropy_bonus(tensor(entropy), tensor(costs)).item(), expected, rel_tol=1e-6)
