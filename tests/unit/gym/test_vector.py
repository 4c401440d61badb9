"""Many canvases as one Gymnasium environment."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.passive_env_checker import data_shares_objects
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers.vector import RecordEpisodeStatistics

import spiral
from spiral.gym import MyPaintEnv, MyPaintVectorEnv

N = 3
SMALL = {"grid": 8, "view": 32}


@pytest.fixture(name="envs")
def _envs() -> Iterator[MyPaintVectorEnv]:
    envs = MyPaintVectorEnv(N, settings=SMALL, num_actions=2, threads=2)
    yield envs
    envs.close()


@pytest.mark.filterwarnings("error")
def test_gymnasium_makes_it_and_its_wrappers_take_it() -> None:
    made = gymnasium.make_vec("spiral/MyPaint-v0", num_envs=N, num_actions=2, render_mode="rgb_array")
    assert isinstance(made, MyPaintVectorEnv)
    assert made.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
    envs = RecordEpisodeStatistics(made)
    envs.reset(seed=1)
    first = envs.step(made.action_space.sample())
    second = envs.step(made.action_space.sample())
    assert second[2].all()
    np.testing.assert_allclose(second[4]["episode"]["r"], first[1] + second[1], rtol=1e-5)
    frames = made.render()
    assert frames is not None
    assert [frame.shape for frame in frames] == [(64, 64, 3)] * N
    made.close()
    made.close()


def test_each_canvas_is_what_an_environment_of_its_own_would_be(envs: MyPaintVectorEnv) -> None:
    seen, info = envs.reset(seed=4)
    singles = [MyPaintEnv(settings=SMALL, num_actions=2) for _ in range(N)]
    alone = [
        single.reset(options={"target": target})[0] for single, target in zip(singles, seen["target"], strict=True)
    ]
    assert envs.observation_space.contains(seen)
    envs.action_space.seed(4)
    for step in range(2):
        for name in seen:
            np.testing.assert_array_equal(seen[name], np.stack([observation[name] for observation in alone]))
        actions = envs.action_space.sample()
        seen, rewards, terminated, truncated, info = envs.step(actions)
        answers = [single.step(action) for single, action in zip(singles, actions, strict=True)]
        alone = [answer[0] for answer in answers]
        assert rewards.tolist() == [answer[1] for answer in answers]
        assert terminated.tolist() == [answer[2] for answer in answers] == [step == 1] * N
        assert not truncated.any()
        np.testing.assert_array_equal(info["mask"], np.stack([answer[4]["mask"] for answer in answers]))
        assert info["_mask"].all()
    assert envs.programs() == [single.program() for single in singles]
    for single in singles:
        single.close()


def test_the_step_after_the_last_begins_new_episodes(envs: MyPaintVectorEnv) -> None:
    first, _ = envs.reset(seed=1)
    for _ in range(2):
        envs.step(envs.action_space.sample())
    seen, rewards, terminated, truncated, info = envs.step(envs.action_space.sample())
    assert (seen["canvas"] == 255).all()
    assert (seen["target"] != first["target"]).any()
    assert not rewards.any()
    assert not terminated.any()
    assert not truncated.any()
    assert not info["mask"].any()
    with pytest.raises(ValueError, match="nothing has been painted"):
        envs.programs()
    _, _, terminated, _, _ = envs.step(envs.action_space.sample())
    assert not terminated.any()


def test_what_is_handed_out_stays_as_it_is(envs: MyPaintVectorEnv) -> None:
    envs.action_space.seed(0)
    handed: list[Any] = [envs.reset(seed=0)]
    kept = [pickle.dumps(handed[0])]
    for _ in range(6):
        handed.append(envs.step(envs.action_space.sample()))
        kept.append(pickle.dumps(handed[-1]))
    assert [pickle.dumps(one) for one in handed] == kept
    for at, one in enumerate(handed):
        for other in handed[:at]:
            assert not data_shares_objects(one[0], other[0])
            assert not data_shares_objects(one[-1], other[-1])


def test_writing_into_an_observation_changes_nothing_that_follows(envs: MyPaintVectorEnv) -> None:
    def returns(scribble: bool) -> list[list[float]]:
        envs.action_space.seed(7)
        seen, _ = envs.reset(seed=7)
        rewards = []
        for _ in range(2):
            if scribble:
                for part in seen.values():
                    part[:] = 0
            seen, gained, *_ = envs.step(envs.action_space.sample())
            rewards.append(gained.tolist())
        return rewards

    assert returns(scribble=True) == returns(scribble=False)


def test_the_same_seed_and_commands_paint_the_same(envs: MyPaintVectorEnv) -> None:
    outcomes = []
    for _ in range(2):
        envs.action_space.seed(2)
        envs.reset(seed=2)
        outcomes.append(pickle.dumps([envs.step(envs.action_space.sample()) for _ in range(5)]))
    assert outcomes[0] == outcomes[1]


def test_a_wrong_action_of_one_canvas_paints_on_none(envs: MyPaintVectorEnv) -> None:
    envs.reset(seed=0)
    actions = envs.action_space.sample()
    actions[:, 0], actions[1, 4] = 1, 10
    with pytest.raises(ValueError, match="pressure: 10 is outside 0…9"):
        envs.step(actions)
    actions[1, 4] = 9
    envs.step(actions)
    assert [len(program.actions) for program in envs.programs()] == [1] * N
    with pytest.raises(ValueError, match="batch: 0 is outside 1…4096"):
        MyPaintVectorEnv(0)


def test_programs_replay(envs: MyPaintVectorEnv) -> None:
    envs = MyPaintVectorEnv(N, num_actions=2)
    envs.reset(seed=0)
    envs.step(envs.action_space.sample())
    seen, *_ = envs.step(envs.action_space.sample())
    for program, canvas in zip(envs.programs(), seen["canvas"], strict=True):
        np.testing.assert_array_equal(spiral.render(program)[0], canvas)
    envs.close()
