"""Policy objectives against loops."""

from __future__ import annotations

import math

import numpy as np
import torch

from spiral.objectives.policy import Steps
from spiral.objectives.policy.clip import Clip
from spiral.objectives.policy.decoupled import Decoupled
from spiral.objectives.policy.none import Uncorrected
from spiral.objectives.policy.vtrace import VTrace

rng = np.random.default_rng(1)
T, B = 4, 3
log_prob, behaviour, advantages, proximal = (rng.normal(-1, 0.5, (T, B)) for _ in range(4))


def tensor(array: np.ndarray, grad: bool = False) -> torch.Tensor:
    return torch.from_numpy(array.copy()).requires_grad_(grad)


def steps(
    learning: torch.Tensor | None = None, painting: np.ndarray = behaviour, before: np.ndarray = proximal
) -> Steps:
    """What the losses don't look at is left empty."""
    nothing = torch.empty(0)
    learning = tensor(log_prob) if learning is None else learning
    return Steps(learning, tensor(painting), tensor(before), nothing, nothing, nothing)


def test_policy_gradient_is_the_weighted_log_probability():
    total, plain = 0.0, 0.0
    for t in range(T):
        for b in range(B):
            rho = min(math.exp(log_prob[t, b] - behaviour[t, b]), 1.1)
            total -= rho * advantages[t, b] * log_prob[t, b]
            plain -= advantages[t, b] * log_prob[t, b]
    found = VTrace(rho_bar=1.1).loss(steps(), tensor(advantages))
    assert math.isclose(found.item(), total / (T * B), rel_tol=1e-6)
    assert math.isclose(Uncorrected().loss(steps(), tensor(advantages)).item(), plain / (T * B), rel_tol=1e-6)


def test_policy_gradient_takes_the_importance_weight_as_a_constant():
    learning = tensor(log_prob, grad=True)
    VTrace(rho_bar=1.1).loss(steps(learning), tensor(advantages)).backward()
    assert learning.grad is not None
    rho = np.exp(log_prob - behaviour).clip(max=1.1)
    np.testing.assert_allclose(learning.grad.numpy(), -rho * advantages / (T * B), rtol=1e-6)


def test_clipped_surrogate_is_the_smaller_of_two():
    total = 0.0
    for t in range(T):
        for b in range(B):
            ratio = math.exp(log_prob[t, b] - behaviour[t, b])
            clipped = min(max(ratio, 0.8), 1.2)
            total -= min(ratio * advantages[t, b], clipped * advantages[t, b])
    found = Clip(clip=0.2).loss(steps(), tensor(advantages))
    assert math.isclose(found.item(), total / (T * B), rel_tol=1e-6)


def test_clipped_surrogate_has_no_gradient_beyond_the_clip():
    beyond = tensor(np.array([[math.log(1.5)]]), grad=True)
    Clip(clip=0.2).loss(steps(beyond, np.zeros((1, 1))), torch.ones(1, 1)).backward()
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
    found = Decoupled(clip=0.2, rho_bar=1.1).loss(steps(), tensor(advantages))
    assert math.isclose(found.item(), total / (T * B), rel_tol=1e-6)


def test_decoupled_surrogate_of_a_fresh_batch_is_the_clipped_one():
    fresh = Decoupled(clip=0.2).loss(steps(before=behaviour), tensor(advantages))
    clipped = Clip(clip=0.2).loss(steps(), tensor(advantages))
    assert math.isclose(fresh.item(), clipped.item(), rel_tol=1e-6)
