"""Rewards by a discriminator service at its address, and an agent of somebody else's that learns by them."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from spiral.configuration.schema import RunConfig
from spiral.gym import MyPaintEnv, MyPaintVectorEnv
from spiral.services.discriminator.build import build_judge
from spiral.services.discriminator.judge import Judge
from spiral.services.discriminator.metrics import DiscriminatorMetrics
from spiral.services.discriminator.servicer import Discriminator
from spiral.services.discriminator.worker import Worker
from spiral.serving.metrics import new_metrics
from spiral.v1.discriminator_pb2_grpc import add_DiscriminatorServiceServicer_to_server
from spiral.wire.interceptor import StatusInterceptor
from spiral.wire.server import Server
from tests.support.judging_data import SHAPE, config, dataset

SMALL = {"grid": 8, "view": 16}


@contextmanager
def serving(address: str, settings: RunConfig) -> Iterator[Judge]:
    """The discriminator of a run, in this process."""
    judge, metrics = build_judge(settings, SHAPE, dataset(), seed=0), new_metrics("discriminator")
    worker = Worker(judge, lambda: None, interval_s=60.0, queue_size=8, clock=time.monotonic)
    servicer = Discriminator(
        worker,
        DiscriminatorMetrics(metrics, judge, 60),
        SHAPE,
        settings.conditional,
        max_batch_bytes=1 << 20,
        idle_s=60.0,
        draining=lambda: False,
    )
    server = Server(address, workers=4, interceptors=[StatusInterceptor()])
    add_DiscriminatorServiceServicer_to_server(servicer, server)
    server.start()
    worker.start()
    try:
        yield judge
    finally:
        server.close(0)
        worker.close()


def test_the_score_of_a_discriminator_is_the_reward_and_it_learns_from_the_final_pictures(tmp_path: Path) -> None:
    address = f"unix:{tmp_path}/s"
    with serving(address, config()) as judge:
        envs = MyPaintVectorEnv(3, settings=SMALL, num_actions=2, data=None, discriminator=address)
        assert "target" not in envs.single_observation_space
        blank = envs.reset(seed=0)[0]["canvas"]
        seen, gained, *_ = envs.step(envs.action_space.sample())
        assert judge.version.number == 0
        pair = np.stack([blank, seen["canvas"]])
        before, after = judge.score("mine", pair, None, remember=False).terms["discriminator"]
        np.testing.assert_allclose(gained, after.astype(float) - before, rtol=1e-6)
        _, gained, *_ = envs.step(envs.action_space.sample())
        assert judge.version.number == 1
        assert np.isfinite(gained).all()
        envs.close()


def test_distances_to_a_target_are_the_same_here_and_there(tmp_path: Path) -> None:
    address = f"unix:{tmp_path}/s"
    with serving(address, config("conditional=true", "discriminator.kind=l2")):
        here = MyPaintEnv(settings=SMALL, num_actions=3)
        there = MyPaintEnv(settings=SMALL, num_actions=3, discriminator=address)
        here.reset(seed=1)
        there.reset(seed=1)
        here.action_space.seed(1)
        for _ in range(3):
            action = here.action_space.sample()
            assert there.step(action)[1] == pytest.approx(here.step(action)[1], abs=1e-6)
        here.close()
        there.close()


def test_pictures_that_are_not_for_it_are_refused_in_a_sentence(tmp_path: Path) -> None:
    address = f"unix:{tmp_path}/s"
    with serving(address, config()):
        env = MyPaintEnv(settings=SMALL, discriminator=address)
        env.reset(seed=0)
        with pytest.raises(ValueError, match="it refuses the pictures: targets: this run has none"):
            env.step(env.action_space.sample())
        env.close()
        env = MyPaintEnv(settings={"grid": 8}, discriminator=address, data=None)
        env.reset(seed=0)
        with pytest.raises(ValueError, match="with pictures of 16 × 16 × 1"):
            env.step(env.action_space.sample())
        env.close()


def test_a_discriminator_that_hangs_up_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spiral.gym.rewards.DEADLINE_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        address = f"127.0.0.1:{deaf.getsockname()[1]}"
        env = MyPaintEnv(settings=SMALL, discriminator=address, data=None)
        env.reset(seed=0)
        with pytest.raises(ConnectionError, match=f"discriminator: no answer from {address}: DEADLINE_EXCEEDED"):
            env.step(env.action_space.sample())
        env.close()


def test_stable_baselines3_learns_on_it() -> None:
    baselines = pytest.importorskip("stable_baselines3", reason="Stable-Baselines3 is not installed")
    from stable_baselines3.common.env_checker import check_env  # noqa: PLC0415

    env = MyPaintEnv(settings={"grid": 8}, num_actions=5)
    check_env(env)
    agent = baselines.A2C("MultiInputPolicy", env, n_steps=5, seed=0, device="cpu")
    before = [weight.detach().clone() for weight in agent.policy.parameters()]
    agent.learn(20)
    assert agent.num_timesteps == 20
    after = list(agent.policy.parameters())
    assert all(weight.isfinite().all() for weight in after)
    assert any((weight != was).any() for weight, was in zip(after, before, strict=True))
    episodes = list(agent.ep_info_buffer)
    assert {episode["l"] for episode in episodes} == {5}
    env.close()
