"""Losses against loops."""

from __future__ import annotations

import math

import numpy as np
import torch

from spiral.services.learner.losses import entropy_bonus, value_loss
from spiral.services.learner.objectives.clip import clipped_surrogate_loss
from spiral.services.learner.objectives.decoupled import decoupled_surrogate_loss
from spiral.services.learner.objectives.vtrace import policy_gradient_loss

rng = np.random.default_rng(1)
T, B, K = 4, 3, 2
log_prob, behaviour, advantages, values, targets, proximal = (rng.normal(-1, 0.5, (T, B)) for _ in range(6))
weights = rng.uniform(0, 1, (T, B))
entropy = rng.uniform(0, 2, (T, B, K))


def tensor(array: np.ndarray, grad: bool = False) -> torch.Tensor:
    return torch.from_numpy(array.copy()).requires_grad_(grad)


def test_policy_gradient_is_the_weighted_log_probability():
    total = 0.0
    for t in range(T):
        for b in range(B):
            total -= weights[t, b] * advantages[t, b] * log_prob[t, b]
    found = policy_gradient_loss(tensor(log_prob), tensor(advantages), tensor(weights))
    assert math.isclose(found.item(), total / (T * B), rel_tol=1e-6)


def test_policy_gradient_takes_the_advantage_as_a_constant():
    advantage, weight = tensor(advantages, grad=True), tensor(weights, grad=True)
    policy_gradient_loss(tensor(log_prob, grad=True), advantage, weight).backward()
    assert advantage.grad is None
    assert weight.grad is None


def test_surrogates_and_values_take_what_they_are_held_to_as_a_constant():
    fixed = tensor(advantages, grad=True)
    clipped_surrogate_loss(tensor(log_prob, grad=True), tensor(behaviour), fixed, 0.2).backward()
    decoupled_surrogate_loss(
        tensor(log_prob, grad=True), tensor(proximal), tensor(behaviour), fixed, 0.2, 1.0
    ).backward()
    value_loss(tensor(values, grad=True), fixed).backward()
    assert fixed.grad is None


def test_clipped_surrogate_is_the_smaller_of_two():
    total = 0.0
    for t in range(T):
        for b in range(B):
            ratio = math.exp(log_prob[t, b] - behaviour[t, b])
            clipped = min(max(ratio, 0.8), 1.2)
            total -= min(ratio * advantages[t, b], clipped * advantages[t, b])
    found = clipped_surrogate_loss(tensor(log_prob), tensor(behaviour), tensor(advantages), 0.2)
    assert math.isclose(found.item(), total / (T * B), rel_tol=1e-6)


def test_clipped_surrogate_has_no_gradient_beyond_the_clip():
    beyond = tensor(np.array([[math.log(1.5)]]), grad=True)
    clipped_surrogate_loss(beyond, torch.zeros(1, 1), torch.ones(1, 1), 0.2).backward()
    assert beyond.grad is not None
    assert beyond.grad.item() == 0


def test_decoupled_surrogate_clips_about_the_proximal_policy_and_weighs_by_its_ratio():
    total = 0.0
    for t in range(T):
        for b in range(B):
            weight = min(math.exp(proximal[t, b] - behaviour[t, b]), 1.1)
            ratio = math.exp(log_prob[t, b] - proximal[t, b])
            clipped = min(max(ratio, 0.8), 1.2)
            total -= weight * min(ratio * advantages[t, b], clipped * advantages[t, b])
    found = decoupled_surrogate_loss(
        tensor(log_prob), tensor(proximal), tensor(behaviour), tensor(advantages), 0.2, 1.1
    )
    assert math.isclose(found.item(), total / (T * B), rel_tol=1e-6)


def test_decoupled_surrogate_of_a_fresh_batch_is_the_clipped_one():
    fresh = decoupled_surrogate_loss(
        tensor(log_prob), tensor(behaviour), tensor(behaviour), tensor(advantages), 0.2, 1.0
    )
    clipped = clipped_surrogate_loss(tensor(log_prob), tensor(behaviour), tensor(advantages), 0.2)
    assert math.isclose(fresh.item(), clipped.item(), rel_tol=1e-6)


def test_value_loss_is_half_the_square():
    expected = sum(0.5 * (targets[t, b] - values[t, b]) ** 2 for t in range(T) for b in range(B)) / (T * B)
    assert math.isclose(value_loss(tensor(values), tensor(targets)).item(), expected, rel_tol=1e-6)


def test_entropy_is_weighted_by_component():
    costs = np.array([0.5, 2.0])
    expected = sum(costs[k] * entropy[t, b, k] for t in range(T) for b in range(B) for k in range(K)) / (T * B)
    assert math.isclose(entropy_bonus(tensor(entropy), tensor(costs)).item(), expected, rel_tol=1e-6)
