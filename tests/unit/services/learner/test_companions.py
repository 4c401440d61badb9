"""Paintings of one target in a batch, and what each is worth beside the others."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spiral.configuration.schema import LearnerConfig
from spiral.policy.rollouts import Painter
from spiral.services.learner.companions import against_companions, companions_of, shuffled
from spiral.services.learner.policy_learner import PolicyLearner
from spiral.values.trajectories import Trajectory
from tests.support.policies import policy_of, spec_of


def slow_against_companions(advantages, companions):
    """One episode after the other, one step after the other."""
    told = advantages.copy()
    for t, b in np.ndindex(advantages.shape):
        others = [advantages[t, o] for o in range(len(companions)) if o != b and companions[o] == companions[b]]
        if others:
            told[t, b] -= np.mean(others)
    return told


@given(st.lists(st.integers(0, 4), min_size=1, max_size=12), st.integers(0, 2**32 - 1))
def test_advantages_are_less_the_mean_of_the_other_paintings(companions, seed):
    advantages = np.random.default_rng(seed).normal(0, 3, (4, len(companions)))
    told = against_companions(torch.from_numpy(advantages), torch.tensor(companions))
    np.testing.assert_allclose(told.numpy(), slow_against_companions(advantages, companions), atol=1e-9)


def batch_of(targets, first_step=None):
    """A batch of which only targets and first steps say anything."""
    size = len(targets)
    return Trajectory(
        np.zeros((2, size, 1, 1, 3), np.uint8),
        np.zeros((1, size, 1), np.int32),
        np.zeros((1, size), np.float32),
        targets=targets,
        first_step=first_step,
    )


@given(st.lists(st.tuples(st.integers(0, 255), st.integers(0, 3)), min_size=1, max_size=12), st.booleans())
def test_companions_have_the_same_target_and_of_unrolls_the_same_step(drawn, cut):
    levels, steps = np.array(drawn).T
    targets = levels.astype(np.uint8).reshape(-1, 1, 1, 1).repeat(3, axis=3)
    companions = companions_of(batch_of(targets, steps.astype(np.int32) if cut else None))
    alike = (levels[:, None] == levels) & ((steps[:, None] == steps) | (not cut))
    np.testing.assert_array_equal(companions[:, None] == companions, alike)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=20), st.integers(0, 2**32 - 1))
def test_companions_follow_each_other_in_an_order_at_random(numbers, seed):
    companions = np.unique(numbers, return_inverse=True)[1]
    order = shuffled(companions, np.random.default_rng(seed))
    assert sorted(order) == list(range(len(companions)))
    assert np.count_nonzero(np.diff(companions[order])) == companions.max()


def test_every_order_of_the_targets_comes_up():
    shuffle = np.random.default_rng(0)
    assert len({tuple(shuffled(np.array([0, 0, 1, 1, 2]), shuffle)) for _ in range(200)}) == 6


@pytest.mark.parametrize("unroll", [None, 3])
def test_what_all_paintings_of_a_target_are_paid_alike_teaches_nothing(unroll):
    """Targets that pay everybody 1 or everybody -1: the policy stays; where each comes once, it moves."""
    moved = {}
    for repeats in (1, 4):
        policy = policy_of("small", spec=spec_of(), view=(32, 32, 1), conditional=True)
        rng = np.random.default_rng(0)
        targets = rng.integers(0, 256, (16 // repeats, 32, 32, 1), dtype=np.uint8).repeat(repeats, axis=0)
        painter = Painter(policy, 16, torch.Generator().manual_seed(0), unroll)
        painter.begin(np.full((16, 32, 32, 1), 255, np.uint8), targets)
        while not painter.full:
            painter.act()
            painter.observe(rng.integers(0, 256, (16, 32, 32, 1), dtype=np.uint8))
        trajectory = painter.trajectory()
        paid = np.zeros(trajectory.actions.shape[:2], np.float32)
        paid[-1] = rng.choice([-1, 1], 16 // repeats).repeat(repeats)
        settings = LearnerConfig(
            paintings_per_target=repeats,
            entropy_cost=0,
            value_cost=0,
            minibatches=4,
            optimiser="rmsprop",
            learning_rate=0.01,
        )
        with torch.no_grad():
            policy.value.weight.zero_()  # values that differ between pictures would be a merit of their own
        before = [parameter.detach().clone() for parameter in policy.parameters()]
        PolicyLearner(policy, settings, seed=0).learn(trajectory, paid)
        after = list(policy.parameters())
        moved[repeats] = max((b - a).abs().max().item() for b, a in zip(before, after, strict=True))
    assert moved[4] < 1e-6
    assert moved[1] > 1e-3
