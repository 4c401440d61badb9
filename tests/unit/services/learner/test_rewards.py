"""Rewards from scores."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from spiral.configuration.schema import LearnerConfig
from spiral.services.learner.rewards import (
    RunningDeviation,
    blank_penalties,
    combine_terms,
    final_rewards,
    rewards_of,
    score_differences,
    stroke_penalties,
)
from spiral.services.learner.unrolls import Places, places
from spiral.values.actions import ActionSpec, Component
from spiral.values.trajectories import Trajectory

SPEC = ActionSpec(
    (Component("flag", 2, "choice"), Component("end", 16, "grid"), Component("size", 3, "choice")),
    ((True, True, False), (True, True, True)),
)
scores = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
WHOLE = Places(np.zeros(3, np.int32), np.ones((4, 3), bool), np.ones(3, bool), np.full(3, 3), 4)


def painting(flags: list[list[int]], blank: list[bool]) -> Trajectory:
    """Episodes with the given flags ``[T][B]``; those not ``blank`` have a mark after the first action."""
    T, B = len(flags), len(flags[0])
    actions = np.zeros((T, B, 3), np.int32)
    actions[..., 0] = flags
    observations = np.full((T + 1, B, 4, 4, 1), 255, np.uint8)
    observations[1:, ~np.array(blank), 0, 0] = 0
    return Trajectory(observations, actions, np.zeros((T, B), np.float32))


def test_differences_telescope():
    """Checklist of the method, item 5: they sum to D(final) − D(blank)."""
    np.testing.assert_allclose(score_differences(scores).sum(0), scores[-1] - scores[0], atol=1e-6)


def test_final_reward_is_paid_once():
    rewards = final_rewards(scores, WHOLE)
    np.testing.assert_array_equal(rewards[-1], scores[-1])
    assert not rewards[:-1].any()


def test_blank_pictures_are_charged_at_the_end():
    trajectory = painting([[0, 1], [0, 1]], blank=[True, False])
    np.testing.assert_array_equal(blank_penalties(trajectory, places(trajectory, 2)), [[0, 0], [1, 0]])


def test_new_strokes_are_charged_but_not_the_first():
    #        stroke        move  stroke  stroke: only the third action starts a second stroke
    flags = [[1, 0, 0], [0, 0, 1], [1, 1, 1], [1, 0, 0], [0, 1, 1]]
    trajectory = painting(flags, blank=[False] * 3)
    expected = [[0, 0, 0], [0, 0, 0], [1, 0, 0], [0, 0, 0], [0, 1, 1]]
    np.testing.assert_array_equal(stroke_penalties(trajectory.actions, SPEC), expected)
    every_action_paints = ActionSpec(SPEC.components)
    np.testing.assert_array_equal(stroke_penalties(trajectory.actions, every_action_paints), np.zeros((5, 3)))


def test_penalties_are_taken_off():
    trajectory = painting([[1, 0], [0, 0], [1, 0]], blank=[False, True])
    config = LearnerConfig(reward="final", blank_penalty=2.0, stroke_penalty=0.5)
    flat = np.zeros((4, 2), np.float32)
    rewards = rewards_of(trajectory, flat, config, SPEC, RunningDeviation(), places(trajectory, 3))
    np.testing.assert_allclose(rewards, [[0, 0], [0, 0], [-0.5, -2.0]])


def test_the_way_of_the_pen_is_charged():
    trajectory = painting([[1, 0], [1, 1]], blank=[False, False])
    trajectory.actions[..., 1] = [[3, 0], [15, 12]]  # places on a grid of 4: right by ¾, then down by ¾
    config = LearnerConfig(reward="final", length_penalty=2.0)
    rewards = rewards_of(
        trajectory, np.zeros((3, 2), np.float32), config, SPEC, RunningDeviation(), places(trajectory, 2)
    )
    np.testing.assert_allclose(rewards, [[-1.5, 0], [-1.5, -1.5]])


def test_rewards_are_divided_by_the_running_deviation_and_cut():
    trajectory = painting([[1, 1]] * 4, blank=[False, False])
    config = LearnerConfig(reward="final", reward_scale="deviation")
    deviation = RunningDeviation()
    scaled = scores[:, :2].copy()
    scaled[-1] = [3, -3]
    where = places(trajectory, 4)
    np.testing.assert_allclose(rewards_of(trajectory, scaled, config, SPEC, deviation, where)[-1], [1, -1], rtol=1e-5)
    for _ in range(100):
        deviation.update(scaled[-1])
    scaled[-1] = [3000, -3]
    assert rewards_of(trajectory, scaled, config, SPEC, deviation, where)[-1, 0] == 10


def test_the_deviation_is_that_of_the_episodes_that_end():
    unroll = Trajectory(
        np.zeros((4, 3, 4, 4, 1), np.uint8),
        np.zeros((3, 3, 3), np.int32),
        np.zeros((3, 3), np.float32),
        first_step=np.array([3, 0, 3], np.int32),
        earlier=np.zeros((3, 3, 3), np.int32),
    )
    config = LearnerConfig(reward="tca", reward_scale="deviation")
    deviation = RunningDeviation()
    judged = scores[:4].copy()
    judged[-1] = [3, 100, -3]
    rewards_of(unroll, judged, config, SPEC, deviation, places(unroll, 6))
    assert deviation.value == pytest.approx(3)
    begun = dataclasses.replace(unroll, first_step=np.zeros(3, np.int32))
    rewards_of(begun, judged, config, SPEC, deviation, places(begun, 6))
    assert deviation.value == pytest.approx(3), "none of these ends"


def test_actions_that_fill_up_an_unroll_are_paid_nothing():
    unroll = Trajectory(
        np.zeros((4, 3, 4, 4, 1), np.uint8),
        np.zeros((3, 3, 3), np.int32),
        np.zeros((3, 3), np.float32),
        first_step=np.array([3, 0, 3], np.int32),
        earlier=np.zeros((3, 3, 3), np.int32),
    )
    where = places(unroll, 5)
    paid = rewards_of(unroll, scores[:4], LearnerConfig(reward="tca"), SPEC, RunningDeviation(), where)
    np.testing.assert_array_equal(paid[:2], np.diff(scores[:3], axis=0))
    assert paid[2].tolist() == [0, scores[3, 1] - scores[2, 1], 0]


def test_scores_that_do_not_deviate_are_not_divided_by_nothing():
    deviation = RunningDeviation()
    deviation.update(np.full(4, 3, np.float32))
    assert deviation.value == 1e-6


def test_deviation_converges_to_that_of_the_stream():
    rng = np.random.default_rng(0)
    deviation = RunningDeviation()
    assert deviation.value == 1
    for _ in range(1000):
        deviation.update(rng.normal(5, 2, 100).astype(np.float32))
    assert abs(deviation.value - 2) < 0.1


def test_terms_are_weighted():
    terms = {"a": scores, "b": 2 * scores}
    np.testing.assert_array_equal(combine_terms(terms, {}), scores)
    np.testing.assert_allclose(combine_terms(terms, {"a": 1.0, "b": 0.5}), 2 * scores, rtol=1e-6)
    with pytest.raises(ValueError, match=r"\['c'\] not answered.*\['a', 'b'\]"):
        combine_terms(terms, {"c": 1.0})
