"""One canvas as a Gymnasium environment."""

from __future__ import annotations

import copy
import itertools
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import check_env

import spiral
from spiral.datasets import load
from spiral.extras import to_install
from spiral.gym import MyPaintEnv, MyPaintVectorEnv

SMALL = {"grid": 8, "view": 32}


@pytest.fixture(name="env")
def _env() -> Iterator[MyPaintEnv]:
    env = MyPaintEnv(settings=SMALL, num_actions=4)
    yield env
    env.close()


def painted(env: MyPaintEnv, seed: int) -> tuple[list[dict[str, Any]], list[float]]:
    """An episode of random commands: what was seen, and rewards."""
    env.action_space.seed(seed)
    seen, rewards = [env.reset(seed=seed)[0]], []
    terminated = False
    while not terminated:
        observation, reward, terminated, truncated, _ = env.step(env.action_space.sample())
        assert not truncated
        seen.append(observation)
        rewards.append(reward)
    return seen, rewards


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "kwargs",
    [{}, {"settings": SMALL | {"interface": "compound", "colour": True}, "num_actions": 3}],
    ids=["as it is", "another one"],
)
def test_gymnasiums_own_checker_finds_nothing(kwargs: dict[str, Any]) -> None:
    env = gymnasium.make("spiral/MyPaint-v0", render_mode="rgb_array", **kwargs)
    check_env(env.unwrapped)
    env.close()


def test_rewards_sum_up_to_what_the_painting_came_closer_to_its_target(env: MyPaintEnv) -> None:
    seen, rewards = painted(env, 3)

    def distance(observation: dict[str, Any]) -> float:
        apart = (observation["canvas"].astype(float) - observation["target"]) / 255
        return float(np.sqrt((apart**2).mean()))

    assert len(rewards) == 4
    assert any(rewards)
    for (before, after), reward in zip(itertools.pairwise(seen), rewards, strict=True):
        assert reward == pytest.approx(distance(before) - distance(after), abs=1e-12)


def test_the_seed_draws_the_target_from_the_data_set(env: MyPaintEnv) -> None:
    digits = load("mnist-sample", 32).train
    first, again, other = (env.reset(seed=seed)[0]["target"] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert (digits == first).all((1, 2, 3)).any()
    assert (env.reset()[0]["target"] != other).any()


@pytest.mark.parametrize("brush", ["classic/pen", "experimental/hard_blot"])  # one at random, the other not
@pytest.mark.parametrize("kind", [MyPaintEnv, MyPaintVectorEnv])
def test_a_copy_goes_on_as_the_original_would_and_apart_from_it(kind: type[gymnasium.Env], brush: str) -> None:
    env = kind(settings=SMALL | {"brush": brush, "colour": True}, num_actions=5)
    env.action_space.seed(1)
    env.reset(seed=1)
    actions = [env.action_space.sample() | 1 for _ in range(5)]  # all of them paint
    actions = [np.minimum(action, np.array(env.unwrapped.action_spec.sizes) - 1).astype(np.int32) for action in actions]
    for action in actions[:3]:
        env.step(action)
    twin = copy.deepcopy(env)
    twins = [twin.step(action) for action in actions[3:]]
    right = [env.step(action) for action in actions[3:]]
    for (seen, reward, *_), (seen_here, reward_here, *_) in zip(twins, right, strict=True):
        np.testing.assert_array_equal(reward, reward_here)
        for name, part in seen_here.items():
            np.testing.assert_array_equal(seen[name], part)
    assert right[0][0]["canvas"].min() < 255
    np.testing.assert_array_equal(twin.reset()[0]["target"], env.reset()[0]["target"])  # the same draws follow
    env.close()
    with pytest.raises(ValueError, match="closed"):
        copy.deepcopy(env).reset()
    twin.close()


def test_a_target_of_ones_own(env: MyPaintEnv) -> None:
    mine = np.full((32, 32, 1), 7, np.uint8)
    seen, _ = env.reset(options={"target": mine})
    np.testing.assert_array_equal(seen["target"], mine)
    mine[:] = 8
    assert (env.step(env.action_space.sample())[0]["target"] == 7).all()


def test_the_program_of_an_episode_paints_what_was_seen(env: MyPaintEnv) -> None:
    seen, _ = painted(env, 5)
    program = spiral.Program.from_json(env.program().to_json())
    assert program == env.program()
    assert len(program.actions) == 4
    canvas = spiral.render(program)[0]
    blocks = canvas.reshape(32, 2, 32, 2).astype(int).sum((1, 3))
    np.testing.assert_array_equal((2 * blocks + 4) // 8, seen[-1]["canvas"][..., 0])


def test_the_info_tells_which_components_counted_and_the_observation_where_the_pen_is(env: MyPaintEnv) -> None:
    seen, info = env.reset(seed=0)
    assert not info["mask"].any()
    assert not seen["pen"].any()
    assert not seen["time"].any()
    move, stroke = np.array([0, 9, 0, 0, 0]), np.array([1, 63, 2, 1, 9])
    seen, _, _, _, info = env.step(move)
    assert info["mask"].tolist() == [True, True, False, False, False]
    assert seen["pen"].tolist() == [1 / 8, 1 / 8]
    assert (seen["canvas"] == 255).all()
    seen, _, _, _, info = env.step(stroke)
    assert info["mask"].all()
    assert seen["pen"].tolist() == [7 / 8, 7 / 8]
    assert seen["time"].tolist() == [0.5]
    assert (seen["canvas"] < 255).any()


def test_a_frame_is_the_canvas_in_colour() -> None:
    env = MyPaintEnv(render_mode="rgb_array", settings=SMALL, num_actions=4)
    painted(env, 1)
    frame = env.render()
    assert frame is not None
    np.testing.assert_array_equal(frame, np.repeat(spiral.render(env.program())[0], 3, axis=2))
    env.close()
    assert MyPaintEnv(settings=SMALL).render() is None


BAD: dict[str, dict[str, Any]] = {
    "num_actions: 0 is outside 1…10000": {"num_actions": 0},
    'data: "mnits" is unknown; did you mean mnist?': {"data": "mnits"},
    "data: without targets nothing can be rewarded": {"data": None},
    'settings of engine "mypaint": grid': {"settings": {"grid": 3}},
    'discriminator: "nowhere" is no address': {"discriminator": "nowhere"},
    'data: pictures of "mnist-sample" have no alpha': {"settings": {"colour": True, "alpha": True}},
    'render_mode: "human" is unknown': {"render_mode": "human"},
}


@pytest.mark.parametrize("sentence", BAD)
def test_what_is_wrong_is_said(sentence: str) -> None:
    with pytest.raises(ValueError, match="^" + sentence.replace("?", r"\?")):
        MyPaintEnv(**BAD[sentence])


def test_a_wrong_action_paints_nothing_and_is_named(env: MyPaintEnv) -> None:
    env.reset(seed=0)
    with pytest.raises(ValueError, match="size: 4 is outside 0…3"):
        env.step(np.array([1, 9, 9, 4, 9]))
    with pytest.raises(ValueError, match=r"actions: shape \[1, 2\] is not \[1, 5\]"):
        env.step(np.array([1, 9]))
    with pytest.raises(ValueError, match="nothing has been painted"):
        env.program()
    with pytest.raises(ValueError, match=r"target is uint8 \[1, 8, 8, 1\]; expected uint8 \[1, 32, 32, 1\]"):
        env.reset(options={"target": np.zeros((8, 8, 1), np.uint8)})
    with pytest.raises(ValueError, match='"taget" is unknown'):
        env.reset(options={"taget": 1})


def test_steps_outside_an_episode_are_refused(env: MyPaintEnv) -> None:
    with pytest.raises(ResetNeeded, match="call reset"):
        env.step(env.action_space.sample())
    painted(env, 0)
    with pytest.raises(ResetNeeded, match="has ended after its 4 actions"):
        env.step(env.action_space.sample())


def test_without_gymnasium_it_says_what_to_install() -> None:
    program = "import sys; sys.modules['gymnasium'] = None; import spiral.gym"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert to_install("gym") in done.stderr
