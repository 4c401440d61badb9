"""The learner's step against its second writing, which is slow and plain: gradients, and whole batches in lockstep."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch

from spiral.computing import divergence
from spiral.configuration.schema import LearnerConfig
from spiral.policy import Policy, build_policy, paper
from spiral.runs.checkpoints import pack_optimiser
from spiral.services.learner.optimising import clip_gradient
from spiral.services.learner.policy_learner import PolicyLearner
from spiral.services.learner.update_statistics import UpdateStatistics
from spiral.values.trajectories import Trajectory, last_start
from tests.support.policies import as_if_learnt, config_of, spec_of
from tests.unit.services.learner.second_writing import SecondWriting, episodes_of, judge

B, T, U = 4, 3, 2
"""Episodes of three actions; unrolls of two and of one."""
VIEW = (8, 8, 1)
OFF_POLICY = ("vtrace", "clip", "decoupled", "none")
MODES = [
    {"off_policy": name, "hindsight": hindsight, "paintings_per_target": paintings, "cut": cut}
    for name, hindsight, paintings, cut in itertools.product(OFF_POLICY, (0.0, 0.7), (1, 2), (False, True))
]
CROSSED = [MODES[i] for i in (0, 7, 10, 13, 17, 22, 27, 28)]
"""An eighth of them each, in which any two choices meet (but for 3 of 32 pairs)."""
LEARNER: dict[str, Any] = {
    "discount": 0.9,
    "lambda": 0.8,
    "learning_rate": 0.003,
    "learning_rate_floor": 0.25,
    "learning_rate_frames": 45,
    "value_cost": 0.4,
    "entropy_cost": 0.02,
    "entropy_costs": {"size": 0.05, "end": 0.01},
    "entropy_floor": 0.1,
    "entropy_frames": 40,
    "gradient_clip": 1e9,
    "average": 0.6,
}
SETTINGS: dict[str, dict[str, float]] = {
    "vtrace": {"rho_bar": 1.1, "c_bar": 0.95},
    "clip": {"clip": 0.1},
    "decoupled": {"rho_bar": 1.1, "clip": 0.1},
    "none": {},
}


OVER_THE_RUN: dict[str, Any] = {"learning_rate_frames": None, "entropy_frames": None, "average_floor": 0.5}
"""Half of the modes have it."""

pytestmark = pytest.mark.usefixtures("one_thread")


def named(mode: dict[str, Any]) -> str:
    words = [mode["off_policy"], *(w for w in ("hindsight", "cut") if mode[w])]
    return "-".join(words + ["companions"] * (mode["paintings_per_target"] > 1))


def make_policy(network: str, **settings: Any) -> Policy:
    torch.manual_seed(2)
    config = config_of(network, noise=3, width=16, pooled_size=4, **settings)
    policy = build_policy(config, spec_of(grid=4, sizes=2), VIEW, T, conditional=True)
    as_if_learnt(policy)
    return policy


def make_batch(policy: Policy, cut: bool, seed: int) -> tuple[Trajectory, np.ndarray]:
    """A batch and its rewards. All is random; two and two have one target, or begin at one step besides.

    The weights that "painted" it are others than the policy's, so that importance weights are on both sides of 1.
    """
    rng = np.random.default_rng(seed)
    length = U if cut else T
    first = np.array([0, U, 0, U], np.int32) if cut else np.zeros(B, np.int32)
    alone = np.array([0, 1, 0, 1])
    actions = rng.integers(0, policy.spec.sizes, (length, B, len(policy.spec))).astype(np.int32)
    steps = first + np.arange(length)[:, None]
    if policy.moves == "alternate":
        actions[..., 0] = steps % 2
    elif policy.moves == "first":
        actions[..., 0] |= steps > 0
    observations = rng.integers(0, 256, (length + 1, B, *VIEW), np.uint8)
    unroll: dict[str, Any] = {}
    if cut:
        actions[T - U :, first == U] = 0
        observations[T - U + 1 :, first == U] = observations[T - U, first == U]
        unroll = {
            "first_step": first,
            "earlier": rng.integers(0, policy.spec.sizes, (last_start(T, U), B, len(policy.spec))).astype(np.int32),
            "blank": np.full((B, *VIEW), 255, np.uint8),
            "state": rng.normal(0, 0.5, (B, policy.state_size)).astype(np.float32) if policy.state_size else None,
        }
    batch = Trajectory(
        observations,
        actions,
        np.zeros((length, B), np.float32),
        noise=rng.normal(size=(B, 3)).astype(np.float32),
        targets=rng.integers(0, 256, (2, *VIEW), np.uint8)[alone],
        **unroll,
    )
    rewards = rng.normal(size=(length, B)).astype(np.float32)
    with torch.no_grad():
        for b, episode in enumerate(episodes_of(batch, rewards, T)):
            executed = [step.log_prob.item() for step in judge(policy, episode, episode.target)[0]]
            batch.behaviour_log_prob[: len(executed), b] = executed + rng.normal(0, 0.3, len(executed))
            rewards[len(executed) :, b] = 0
    return batch, rewards


def make_both(policy: Policy, mode: dict[str, Any], **settings: Any) -> tuple[PolicyLearner, SecondWriting]:
    kept = {name: value for name, value in mode.items() if name != "cut"} | (OVER_THE_RUN if mode["hindsight"] else {})
    config = LearnerConfig(**{**LEARNER, **SETTINGS[mode["off_policy"]], **kept, **settings})
    learner = PolicyLearner(policy, config, seed=7)
    learner.frames_before, learner.run_share = 10, 0.3
    return learner, SecondWriting(policy, config, seed=7, frames_before=10, run_share=0.3)


def check_gradients(learner: PolicyLearner, second: SecondWriting, tolerance: float) -> None:
    """Compare the gradients of the last update, within ``tolerance`` of each tensor's norm."""
    assert second.last is not None
    found = {name: p.grad for name, p in learner.policy.named_parameters() if p.grad is not None}
    assert found.keys() == second.last.gradient.keys()
    for name, gradient in found.items():
        expected = second.last.gradient[name]
        wrong = np.linalg.norm(gradient.numpy() - expected)
        assert wrong <= tolerance * np.linalg.norm(expected) + 1e-12, name


def check_gradients_of(
    network: str, mode: dict[str, Any], dtype: torch.dtype = torch.float64, tolerance: float = 1e-7, **settings: Any
) -> None:
    policy = make_policy(network, moves="alternate" if network == "glimpsing" else "free").to(dtype)
    batch, rewards = make_batch(policy, mode["cut"], seed=3)
    learner, second = make_both(policy, mode, **settings)
    learner.learn(batch, rewards)
    second.learn(batch, rewards)
    check_gradients(learner, second, tolerance)


@pytest.mark.parametrize("mode", MODES, ids=named)
def test_gradients_of_the_small_network(mode: dict[str, Any]) -> None:
    """In the second pass over a batch, when the policy is no longer the one before the batch."""
    check_gradients_of("glimpsing", mode, reuse=2)


@pytest.mark.parametrize("mode", MODES, ids=named)
def test_gradients_of_the_paper_s_network(mode: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Narrower than it is, and with fewer blocks: there are as many ways through it."""
    for name, size in (("CHANNELS", 8), ("FEATURES", 64), ("RESIDUAL_BLOCKS", 1)):
        monkeypatch.setattr(paper, name, size)
    check_gradients_of("paper", mode)


@pytest.mark.parametrize("mode", CROSSED, ids=named)
def test_gradients_in_float32(mode: dict[str, Any]) -> None:
    """Adam would make whole steps along gradients that are 0 but for rounding; RMSProp's ε keeps them small."""
    check_gradients_of("small", mode, torch.float32, 1e-4, reuse=2, optimiser="rmsprop", learning_rate=0.02)


@pytest.mark.parametrize("mode", CROSSED, ids=named)
def test_three_batches_in_lockstep(mode: dict[str, Any]) -> None:
    """Weights, optimizer, average, schedules, order of the episodes and what is told, after each of three batches.

    One more comes first, from which only the discriminator learns; and the learner is replaced once by its checkpoint.
    """
    adam = mode["hindsight"] == 0
    settings = {
        "optimiser": "adam" if adam else "rmsprop",
        "hold_batches": 1,
        "reuse": 2,
        "minibatches": 2,
        "gradient_clip": 0.5,
    }
    policy = make_policy("small", blind=mode["cut"], moves="first").double()
    learner, second = make_both(policy, mode, **settings)
    for n in range(4):
        batch, rewards = make_batch(learner.policy, mode["cut"], seed=n)
        learner.run_share = second.run_share = n / 3
        learner.learn(batch, rewards)
        second.learn(batch, rewards)
        check_state(learner, second)
        if n == 2:
            state, policy = learner.state(), make_policy("small", blind=mode["cut"], moves="first").double()
            learner = PolicyLearner(policy, learner.config, seed=0)
            learner.restore(state)


def test_entropies_are_means_even_of_a_single_action() -> None:
    """One episode of three actions; only the second one paints."""
    policy = make_policy("small", moves="alternate").double()
    batch, rewards = make_batch(policy, cut=False, seed=0)
    learner, second = make_both(policy, MODES[0], minibatches=4)
    learner.learn(batch, rewards)
    second.learn(batch, rewards)
    check_state(learner, second)


def test_checkpoints_from_before_batches_were_held_are_taken_as_of_a_run_that_held_none() -> None:
    learner, _ = make_both(make_policy("small"), MODES[0])
    state = learner.state()
    del state.counters["held"], state.counters["frames_before"]
    learner.restore(state)
    assert (learner.held, learner.frames_before) == (0, 10)


def test_an_episode_may_have_one_action() -> None:
    torch.manual_seed(0)
    policy = build_policy(
        config_of("small", width=16, pooled_size=4), spec_of(grid=4, sizes=2), VIEW, 1, False
    ).double()
    rng = np.random.default_rng(0)
    observations = rng.integers(0, 256, (2, B, *VIEW), np.uint8)
    batch = Trajectory(observations, rng.integers(0, 2, (1, B, 5)).astype(np.int32), np.full((1, B), -5, np.float32))
    learner, second = make_both(policy, MODES[0])
    learner.learn(batch, np.ones((1, B), np.float32))
    second.learn(batch, np.ones((1, B), np.float32))
    check_state(learner, second)


def test_a_component_that_never_counts_has_entropy_0() -> None:
    """Nothing was painted, so nobody chose a size."""
    policy = make_policy("small")
    batch, rewards = make_batch(policy, cut=False, seed=0)
    batch.actions[..., 0] = 0
    learner, _ = make_both(policy, MODES[0])
    learner.learn(batch, rewards)
    entropy = learner.statistics.entropy
    assert entropy["size"] == 0
    assert all(np.isfinite(value) for value in entropy.values())


def test_sound_weights_are_copied_as_seldom_as_updates_say(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each copy costs time: the second is due with the fifth update, so the one of the start is gone back to."""
    monkeypatch.setattr(divergence, "KEEP_EVERY", 5)
    policy = make_policy("small")
    learner, _ = make_both(policy, MODES[0], minibatches=2)
    before = {name: weights.clone() for name, weights in policy.state_dict().items()}
    for seed in range(3):
        learner.learn(*make_batch(policy, cut=False, seed=seed))
    broken, rewards = make_batch(policy, cut=False, seed=3)
    learner.learn(broken, rewards * np.float32("nan"))
    assert learner.updates == 3 * 2 + 1
    assert all(torch.equal(weights, before[name]) for name, weights in policy.state_dict().items())


def test_a_gradient_as_long_as_is_allowed_stays_as_it_is() -> None:
    """A longer one is scaled; and the norm is that before."""
    parameter = torch.nn.Parameter(torch.zeros(2, dtype=torch.float64))
    for largest, expected in ((5.0, [3.0, 4.0]), (2.5, [1.5, 2.0])):
        parameter.grad = torch.tensor([3.0, 4.0], dtype=torch.float64)
        assert clip_gradient([parameter], largest).item() == 5
        assert parameter.grad.tolist() == (expected if largest == 5 else pytest.approx(expected, rel=1e-6))


def test_what_is_told_is_the_mean_over_the_batches_since_it_was_last_asked_for() -> None:
    statistics = UpdateStatistics()
    for value in (1.0, 2.0, 6.0):
        statistics.add({"flag": value}, {"policy": -value})
    assert (statistics.batches, statistics.entropy, statistics.losses) == (3, {"flag": 3.0}, {"policy": -3.0})


def check_state(learner: PolicyLearner, second: SecondWriting) -> None:
    state = learner.state()
    assert state.counters == {
        "updates": second.updates,
        "frames": second.frames,
        "frames_before": 10,
        "held": second.held,
        "shuffle": second.shuffle.bit_generator.state,
    }
    close(state.tensors["policy"], second.weights())
    close(state.tensors["average"], second.average)
    positions = {name: i for i, name in enumerate(second.policy.state_dict())}
    moments = {f"{positions[name]}.step": np.float64(count) for name, count in second.steps.items()}
    for moment, of in second.moments.items():
        moments |= {f"{positions[name]}.{moment}": value for name, value in of.items()}
    close(pack_optimiser(learner.optimiser), moments)
    statistics = learner.take_statistics()
    if second.last is None:
        assert statistics.batches == 0
        return
    assert [group["lr"] for group in learner.optimiser.param_groups] == [pytest.approx(second.rate)]
    assert statistics.batches == 1
    assert statistics.losses == pytest.approx(second.last.losses)
    assert statistics.entropy == pytest.approx(second.last.entropy)


def close(found: dict[str, torch.Tensor], expected: dict[str, np.ndarray]) -> None:
    assert found.keys() == expected.keys()
    for name, value in found.items():
        np.testing.assert_allclose(value.numpy(), expected[name], rtol=1e-6, atol=1e-9, err_msg=name)
