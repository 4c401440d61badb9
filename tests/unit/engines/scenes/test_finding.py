"""Where engines are listed, ``scenes`` is one of them."""

from __future__ import annotations

import gymnasium
import numpy as np

import spiral.gym
from spiral.engines import create
from spiral.engines.ink import leaves_ink
from spiral.engines.programs import render
from spiral.engines.registry import names, plugin


def test_registry_doctor_and_learning_know_it() -> None:
    assert "scenes" in names()
    assert [(finding.subject, finding.text) for finding in plugin("scenes").examine()] == [("scenes", "scenes 1")]
    assert leaves_ink(create("scenes", {}))


def test_gymnasium_makes_it_and_its_programs_replay() -> None:
    env = gymnasium.make("spiral/Scenes-v0", num_actions=4).unwrapped
    assert isinstance(env, spiral.gym.EngineEnv)
    seen, _ = env.reset(seed=0)
    assert seen["canvas"].shape == (64, 64, 3)
    assert env.step(np.array([2, 3, 200, 1, 0, 0, 3]))[4]["mask"].tolist() == [True] + [False] * 6
    for action in ([0, 0, 40, 2, 3, 0, 0], [0, 1, 200, 1, 0, 3, 0], [1, 2, 210, 1, 0, 3, 0]):
        seen = env.step(np.array(action))[0]
    np.testing.assert_array_equal(render(env.program())[0], seen["canvas"])
