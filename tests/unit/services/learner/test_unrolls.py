"""Episodes that are cut into unrolls: what is painted, judged, paid and learned is that of the whole."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from spiral.configuration.schema import LearnerConfig, RunConfig
from spiral.engines.mypaint import MyPaint
from spiral.objectives.vtrace_returns import vtrace
from spiral.policy import Policy, build_policy
from spiral.policy.rollouts import Painter, paint
from spiral.services.learner.policy_learner import PolicyLearner
from spiral.services.learner.rewards import RunningDeviation, rewards_of
from spiral.services.learner.unrolls import finished, last_actions, places
from spiral.services.learner.validation import RefusedError, check_values
from spiral.values.trajectories import Trajectory, TrajectoryContract, concatenate, even_unroll, last_start
from tests.support.learning_batches import batch_of
from tests.support.policies import NETWORKS, as_if_learnt, config_of

T, U, B = 7, 3, 4
"""Unrolls of 3, 3 and 1 actions."""
ENGINES = {
    interface: MyPaint.from_settings({"interface": interface, "grid": 4, "view": 8, "brush_sizes": [2, 6]})
    for interface in ("curve", "compound")
}


pytestmark = pytest.mark.usefixtures("one_thread")


def make_policy(network: str = "paper", interface: str = "curve") -> Policy:
    torch.manual_seed(1)
    config = config_of(network, noise=3, width=16, pooled_size=4)
    engine = ENGINES[interface]
    policy = build_policy(config, engine.spec, engine.observation_shape, T, conditional=True).eval()
    as_if_learnt(policy)
    return policy


def paint_episode(policy: Policy, unroll: int | None, interface: str = "curve") -> list[Trajectory]:
    """The same episodes every time, in one trajectory or in several."""
    with ENGINES[interface].open(B) as canvases:
        painter = Painter(policy, B, torch.Generator().manual_seed(5), unroll)
        targets = np.random.default_rng(0).integers(0, 256, (B, *ENGINES[interface].observation_shape), np.uint8)
        painter.begin(canvases.reset(), targets)
        made = []
        while not painter.done:
            while not painter.full:
                painter.observe(canvases.step(painter.act()))
            made.append(painter.trajectory())
    return made


def lengths() -> list[int]:
    return [min(U, T - start) for start in range(0, T, U)]


@pytest.mark.parametrize(
    ("network", "interface"), [*((network, "curve") for network in NETWORKS), ("looking", "compound")]
)
def test_the_unrolls_of_an_episode_are_the_episode(network: str, interface: str) -> None:
    policy = make_policy(network, interface)
    (whole,) = paint_episode(policy, None, interface)
    unrolls = paint_episode(policy, U, interface)
    contract = TrajectoryContract(policy.spec, (8, 8, 1), T, True, 3, U, policy.state_size)
    assert whole.first_step is None
    assert [int(unroll.first_step[0]) for unroll in unrolls] == [0, 3, 6]
    for unroll, length in zip(unrolls, lengths(), strict=True):
        check_values(unroll, contract)
        expected = contract.tensors(B)
        assert {n: (a.dtype, a.shape) for n, a in unroll.tensors().items()} == {
            n: (np.dtype(kind), shape) for n, (kind, shape) in expected.items()
        }
        start = int(unroll.first_step[0])
        np.testing.assert_array_equal(unroll.observations[: length + 1], whole.observations[start : start + length + 1])
        np.testing.assert_array_equal(unroll.actions[:length], whole.actions[start : start + length])
        np.testing.assert_array_equal(
            unroll.behaviour_log_prob[:length], whole.behaviour_log_prob[start : start + length]
        )
        np.testing.assert_array_equal(unroll.blank, whole.observations[0])
        program = unroll.program(T)
        np.testing.assert_array_equal(program[: start + length], whole.actions[: start + length])
        assert not program[start + length :].any()
        # What fills up the last one: its last picture, and nothing.
        assert (unroll.observations[length:] == unroll.observations[length]).all()
        assert not unroll.actions[length:].any()
    ended = finished(concatenate(unrolls), places(concatenate(unrolls), T))
    assert ended is not None
    np.testing.assert_array_equal(ended.actions, whole.actions)
    np.testing.assert_array_equal(ended.targets, whole.targets)
    np.testing.assert_array_equal(ended.observations[-1], whole.observations[-1])
    assert finished(concatenate(unrolls[:-1]), places(concatenate(unrolls[:-1]), T)) is None


@pytest.mark.parametrize("network", NETWORKS)
def test_the_policy_judges_unrolls_as_it_judges_the_episode(network: str) -> None:
    """With the memory carried over the cut; and each unroll's last value is the next one's first."""
    policy = make_policy(network)
    (painted,) = paint_episode(policy, None)
    whole, batch = batch_of(policy, painted), batch_of(policy, concatenate(paint_episode(policy, U)))
    with torch.no_grad():
        expected = policy.evaluate_actions(whole.inputs, whole.actions, whole.state)
        evaluated = policy.evaluate_actions(batch.inputs, batch.actions, batch.state)
    for n, length in enumerate(lengths()):
        start, mine = n * U, slice(n * B, (n + 1) * B)
        for name in ("log_prob", "entropy"):
            found, right = getattr(evaluated, name)[:length, mine], getattr(expected, name)[start : start + length]
            torch.testing.assert_close(found, right, atol=1e-5, rtol=1e-4)
        values = expected.value[start : start + length + 1]
        torch.testing.assert_close(evaluated.value[: len(values), mine], values, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("interface", ["curve", "compound"])
@pytest.mark.parametrize("reward", ["final", "tca"])
def test_the_rewards_of_the_unrolls_are_those_of_the_episode(interface: str, reward: str) -> None:
    """So their sums telescope to the same; penalties remember what was painted before the cut."""
    config = LearnerConfig(reward=reward, blank_penalty=2.0, stroke_penalty=0.5, length_penalty=0.25)
    policy = make_policy("small", interface)
    spec = policy.spec
    (whole,) = paint_episode(policy, None, interface)
    unrolls = paint_episode(policy, U, interface)
    # One episode leaves no trace, though its first picture in the last unroll was another one.
    whole.observations[-1, 2] = whole.observations[0, 2]
    unrolls[-1].observations[1:, 2] = whole.observations[0, 2]
    unrolls[-1].observations[0, 2, 0, 0] = 7
    scores = np.random.default_rng(1).normal(size=(T + 1, B)).astype(np.float32)
    expected = rewards_of(whole, scores, config, spec, RunningDeviation(), places(whole, T))
    unpunished = config.model_copy(update={"blank_penalty": 0.0})
    free = rewards_of(whole, scores, unpunished, spec, RunningDeviation(), places(whole, T))
    charged = np.argwhere(np.abs(free - expected) > 1)
    assert [T - 1, 2] in charged.tolist()
    assert (charged[:, 0] == T - 1).all()
    batch = concatenate(unrolls)
    at = np.minimum(batch.first_step + np.arange(U + 1)[:, None], T)
    mine = scores[at, np.tile(np.arange(B), len(unrolls))]
    found = rewards_of(batch, mine, config, spec, RunningDeviation(), places(batch, T))
    for n, length in enumerate(lengths()):
        mine = found[:, n * B : (n + 1) * B]
        np.testing.assert_allclose(mine[:length], expected[n * U : n * U + length], atol=1e-6)
        assert not mine[length:].any()
    np.testing.assert_allclose(found.reshape(U, -1, B).sum((0, 1)), expected.sum(0), atol=1e-5)


def slow_cut_vtrace(log_rho, rewards, values, unroll, discount, trace_decay):
    """The paper's sum over the whole episode, where no trace is longer than to the end of its unroll."""
    length, batch = rewards.shape
    rho = np.minimum(np.exp(log_rho), 1.0)
    following = np.concatenate([values[1:], np.zeros((1, batch))])
    targets = values.copy()
    for s in range(length):
        for b in range(batch):
            product = 1.0
            for t in range(s, min((s // unroll + 1) * unroll, length)):
                delta = rho[t, b] * (rewards[t, b] + discount * following[t, b] - values[t, b])
                targets[s, b] += discount ** (t - s) * product * delta
                product *= trace_decay * rho[t, b]
    return targets


@pytest.mark.parametrize(("discount", "trace_decay"), [(1.0, 1.0), (0.9, 1.0), (0.95, 0.8)])
def test_vtrace_across_cuts_is_the_sum_of_the_paper_with_traces_that_end_at_them(discount, trace_decay) -> None:
    rng = np.random.default_rng(2)
    log_rho, rewards, values = (rng.normal(0, 0.7, (T, B)) for _ in range(3))
    expected = slow_cut_vtrace(log_rho, rewards, values, U, discount, trace_decay)
    for start in range(0, T, U):
        part = slice(start, min(start + U, T))
        after = values[part.stop] if part.stop < T else np.zeros(B)
        tensors = [torch.from_numpy(array) for array in (log_rho[part], rewards[part], values[part], after)]
        targets, _ = vtrace(*tensors, discount=discount, trace_decay=trace_decay)
        np.testing.assert_allclose(targets.numpy(), expected[part], atol=1e-6)


def test_where_the_values_are_right_a_cut_changes_nothing() -> None:
    """On policy, with V the discounted sum of what comes: the cut result is the uncut one, and no advantage is left."""
    rng = np.random.default_rng(3)
    rewards, values = rng.normal(size=(T, B)), np.zeros((T + 1, B))
    for t in reversed(range(T)):
        values[t] = rewards[t] + 0.9 * values[t + 1]
    zeros = torch.zeros(T, B, dtype=torch.float64)
    whole = vtrace(zeros, *(torch.from_numpy(a) for a in (rewards, values[:-1], values[-1])), discount=0.9)
    for start in range(0, T, U):
        part = slice(start, min(start + U, T))
        tensors = [torch.from_numpy(array) for array in (rewards[part], values[part], values[part.stop])]
        cut = vtrace(zeros[part], *tensors, discount=0.9)
        torch.testing.assert_close(cut.targets, whole.targets[part])
        torch.testing.assert_close(cut.advantages, torch.zeros_like(cut.advantages), atol=1e-9, rtol=0)


def learnt_from(batch: Trajectory, rewards: np.ndarray, **settings: object) -> PolicyLearner:
    learner = PolicyLearner(make_policy(), LearnerConfig(discount=0.9, **settings), seed=0)  # type: ignore[arg-type]
    learner.learn(batch, rewards)
    return learner


@pytest.mark.parametrize("off_policy", ["vtrace", "clip", "decoupled"])
def test_what_fills_up_an_unroll_is_not_learnt_from(off_policy: str) -> None:
    batch = concatenate(paint_episode(make_policy(), U))
    where = places(batch, T)
    rewards = np.where(where.valid, np.random.default_rng(4).normal(size=(U, 3 * B)), 0).astype(np.float32)
    # Adam would make whole steps along gradients that are 0 but for rounding; RMSProp's ε keeps them small.
    settings = {"off_policy": off_policy, "hindsight": 0.5, "optimiser": "rmsprop", "learning_rate": 0.01}
    one = learnt_from(batch, rewards, **settings)
    assert one.frames == T * B
    other = dataclasses.replace(
        batch,
        actions=np.where(where.valid[..., None], batch.actions, 1),
        behaviour_log_prob=np.where(where.valid, batch.behaviour_log_prob, np.float32(-9)),
    )
    two = learnt_from(other, rewards, **settings)
    for name, weights in one.policy.state_dict().items():
        torch.testing.assert_close(weights, two.policy.state_dict()[name], atol=1e-6, rtol=1e-4, msg=name)
    entropy, again = one.take_statistics().entropy, two.take_statistics().entropy
    assert entropy == pytest.approx(again, rel=1e-3)


def test_the_loss_of_an_unroll_rests_on_the_value_after_it() -> None:
    """Without rewards the target of the last value is γ V of the picture after it, unless the episode is over."""
    policy = make_policy()
    first, _, last = paint_episode(policy, U)
    for unroll, goes_on in ((first, True), (last, False)):
        batch = batch_of(policy, unroll)
        evaluated, after = batch.executed(policy.evaluate_actions(batch.inputs, batch.actions, batch.state))
        assert bool(after.any()) == goes_on
        assert not after.requires_grad
        assert evaluated.value.shape == (U, B)
        assert (evaluated.value[1:] == 0).all() == (not goes_on)


def test_a_batch_may_hold_unrolls_from_everywhere() -> None:
    """The mean loss over a mixed batch is the mean of its parts': so are their gradients."""
    unrolls = paint_episode(make_policy(), U)
    rewards = [np.full((U, B), 0.1, np.float32) * places(unroll, T).valid for unroll in unrolls]

    def gradients(batch: Trajectory, paid: np.ndarray) -> dict[str, torch.Tensor]:
        learner = learnt_from(batch, paid)
        return {name: p.grad for name, p in learner.policy.named_parameters() if p.grad is not None}

    mixed = gradients(concatenate(unrolls), np.concatenate(rewards, 1))
    parts = [gradients(unroll, paid) for unroll, paid in zip(unrolls, rewards, strict=True)]
    for name, gradient in mixed.items():
        mean = sum(part[name] for part in parts) / len(parts)
        torch.testing.assert_close(gradient, mean, atol=1e-5, rtol=1e-3, msg=name)


def test_painting_keeps_few_pictures_of_a_long_episode_and_all_its_actions() -> None:
    engine = ENGINES["curve"]
    config = config_of("small", width=16, pooled_size=4)
    policy = build_policy(config, engine.spec, engine.observation_shape, 120, conditional=False).eval()
    pictures, actions = paint(policy, engine, 3, torch.Generator().manual_seed(0))
    assert actions.shape == (3, 120, len(engine.spec))
    with engine.open(3) as canvases:
        for step in actions.transpose(1, 0, 2):
            canvases.step(np.ascontiguousarray(step))
        np.testing.assert_array_equal(canvases.canvas(), pictures)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"first_step": np.full(B, 2, np.int32)}, "first_step: 2 begins no unroll of 3 actions in an episode of 7"),
        ({"first_step": np.full(B, 9, np.int32)}, "first_step: 9"),
        ({"first_step": np.full(B, -3, np.int32)}, "first_step: -3"),
        ({"earlier": np.full((6, B, 5), 99, np.int32)}, "earlier: flag: 99 is outside"),
        ({"state": np.full((B, 512), np.nan, np.float32)}, "state: a value is not finite"),
    ],
)
def test_unrolls_that_make_no_sense_are_refused(change: dict[str, np.ndarray], sentence: str) -> None:
    policy = make_policy()
    contract = TrajectoryContract(policy.spec, (8, 8, 1), T, True, 3, U, policy.state_size)
    unroll = dataclasses.replace(paint_episode(policy, U)[1], **change)
    with pytest.raises(RefusedError, match=sentence):
        check_values(unroll, contract)


def test_the_action_before_an_unroll_is_the_last_that_was_executed() -> None:
    unroll = dataclasses.replace(
        paint_episode(make_policy("small"), U)[0],
        first_step=np.array([0, 1, 2, 6], np.int32),
        earlier=np.arange(1, 1 + 6 * B * 5, dtype=np.int32).reshape(6, B, 5),
    )
    expected = [np.zeros(5), *(unroll.earlier[step - 1, b] for b, step in ((1, 1), (2, 2), (3, 6)))]
    np.testing.assert_array_equal(last_actions(unroll), expected)


def test_an_episode_is_cut_into_the_fewest_equal_unrolls() -> None:
    assert [even_unroll(199, 50), even_unroll(1000, 50), even_unroll(20, 50), even_unroll(51, 50)] == [50, 50, 20, 26]
    assert [last_start(199, 50), last_start(1000, 50), last_start(7, 3), last_start(6, 3)] == [150, 950, 6, 3]
    for actions in (1, 2, 7, 50, 51, 199, 200, 1000):
        for most in (1, 3, 20, 50, 64):
            length = even_unroll(actions, most)
            unrolls = -(-actions // length)
            assert length <= most
            assert unrolls == -(-actions // most)
            assert unrolls * length - actions < unrolls


def test_only_where_an_episode_is_cut_does_the_contract_change() -> None:
    policy = make_policy("small")
    short, same, cut = (TrajectoryContract(policy.spec, (8, 8, 1), T, False, 0, unroll) for unroll in (None, T, U))
    assert short.digest == same.digest != cut.digest
    assert short.tensors(B) == same.tensors(B)
    assert list(cut.tensors(B)) == [*short.tensors(B), "first_step", "earlier", "blank"]
    assert cut.nbytes(B) < RunConfig().learner.queue_bytes
