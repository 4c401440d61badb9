"""NumPy and torch agree: log-probabilities of every bundled model, of networks with everything, and of draws."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from spiral.configuration.files import load_config
from spiral.configuration.schema import PolicyConfig
from spiral.engines import create
from spiral.inference.places import EXACT, around, bins, offsets
from spiral.inference.rollouts import act
from spiral.inference.small_network import Moment, SmallNetwork
from spiral.inference.weights import check_weights, parse_weights
from spiral.models import CONFIG, POLICY, bundled_models
from spiral.policy import Inputs, Policy, build_policy, glimpse, sight
from spiral.policy.weights import load_weights
from spiral.policy.weights import parse_weights as parse_torch
from spiral.values.actions import Component
from tests.support.policies import as_if_learnt, spec_of

B = 16


def pair_of(folder: Path) -> tuple[Policy, SmallNetwork, tuple[int, int, int]]:
    config, content = load_config(str(folder / CONFIG), base=folder), (folder / POLICY).read_bytes()
    engine = create(config.engine.name, config.engine.settings)
    arguments = (config.policy, engine.spec, engine.observation_shape, config.num_actions, config.conditional)
    policy = build_policy(*arguments)
    load_weights(policy, parse_torch(content))
    return policy, SmallNetwork(*arguments, parse_weights(content)), engine.observation_shape


def log_prob_of(actions: np.ndarray, network: SmallNetwork, moment: Moment) -> np.ndarray:
    log_prob, mask = np.zeros(B), network.spec.mask(actions.astype(np.int32))
    for k, (episodes, logits, chosen) in enumerate(network.decode(moment, lambda k, _, rows: actions[rows, k])):
        shifted = logits - logits.max(1, keepdims=True)
        found = shifted[np.arange(len(chosen)), chosen] - np.log(np.exp(shifted).sum(1))
        log_prob[episodes] += found * mask[episodes, k]
    return log_prob


def compare(policy: Policy, network: SmallNetwork, view: tuple[int, int, int], rng: np.random.Generator) -> None:
    """At every step of an episode: random pictures, random previous actions, random actions."""
    T, K = policy.num_actions, len(policy.spec)
    observations = rng.integers(0, 256, (T, B, *view), np.uint8)
    target = rng.integers(0, 256, (B, *view), np.uint8) if policy.conditional else None
    noise = rng.standard_normal((B, policy.noise)).astype(np.float32) if policy.noise else None
    actions = rng.integers(0, policy.spec.sizes, (T, B, K))
    before = np.concatenate([np.zeros_like(actions[:1]), rng.integers(0, policy.spec.sizes, (T - 1, B, K))])
    policy.double()  # of random actions it is −250, where float32 itself is 1e-4 off
    inputs = Inputs(
        policy.watch(torch.from_numpy(observations)),
        torch.from_numpy(before),
        torch.arange(T),
        None if noise is None else torch.from_numpy(noise).double(),
        None if target is None else policy.see(torch.from_numpy(target)),
    )
    with torch.inference_mode():
        expected = policy.evaluate_actions(inputs, torch.from_numpy(actions), ()).log_prob.numpy()
    seen_target = None if target is None else network.see(target)
    for t in range(T):
        pictures = np.full_like(observations[t], 255) if network.blind else observations[t]
        moment = Moment(network.see(pictures), before[t], t, noise, seen_target)
        log_prob = log_prob_of(actions[t], network, moment)
        allowed = expected[t] > -1e8  # the rest is what ``policy.moves`` forbids
        np.testing.assert_allclose(log_prob[allowed], expected[t][allowed], atol=1e-4, rtol=0)
        assert (log_prob[~allowed] < -1e8).all()
        assert allowed.any()


@pytest.mark.parametrize("name", bundled_models())
def test_log_probabilities_of_a_bundled_model_are_those_of_torch(name: str) -> None:
    compare(*pair_of(bundled_models()[name]), np.random.default_rng(0))


@pytest.mark.parametrize("moves", ["free", "first", "alternate"])
@pytest.mark.parametrize("blind", [False, True])
def test_so_are_those_of_any_small_network(moves: str, blind: bool) -> None:
    torch.manual_seed(0)
    view = (48, 32, 3)
    for patch, look, conditional in ((0, 0, False), (3, 0, True), (0, 7, False), (3, 7, True)):
        config = PolicyConfig(width=32, patch=patch, glimpse=look, noise=5, blind=blind, moves=moves)
        arguments = (config, spec_of(colour=True), view, 4, conditional)
        policy = build_policy(*arguments)
        as_if_learnt(policy)
        weights = {key: tensor.numpy() for key, tensor in policy.state_dict().items()}
        compare(policy, SmallNetwork(*arguments, weights), view, np.random.default_rng(1))


@pytest.mark.parametrize("temperature", [0.0, 0.5, 1.0, 2.0])
def test_draws_follow_the_probabilities(temperature: float) -> None:
    """10,000 draws of a flag and of a component with known logits: within five deviations of what they should be."""
    spec, count = spec_of(grid=4), 10_000
    shapes = dict(build_policy(PolicyConfig(width=16), spec, (16, 16, 1), 1, False).state_dict())
    weights = {name: np.zeros(tensor.shape, np.float32) for name, tensor in shapes.items()}
    flags, sizes = np.array([0.3, 0.7]), np.array([0.6, 0.25, 0.1, 0.05])
    weights["heads.0.bias"], weights["heads.3.bias"] = (np.log(p).astype(np.float32) for p in (flags, sizes))
    network = SmallNetwork(PolicyConfig(width=16), spec, (16, 16, 1), 1, False, weights)
    moment = Moment(network.see(np.zeros((count, 16, 16, 1), np.uint8)), np.zeros((count, len(spec)), np.int64), 0)
    drawn = act(network, moment, np.random.default_rng(0), temperature)
    painting = drawn[:, 0] == 1
    assert (drawn[~painting, 2:] == 0).all()
    for learned, values in ((flags, drawn[:, 0]), (sizes, drawn[painting, 3])):
        p = learned ** (1 / temperature) if temperature else (learned == learned.max()).astype(float)
        p = p / p.sum()
        counts = np.bincount(values, minlength=len(p))
        deviation = np.sqrt(len(values) * p * (1 - p))
        assert (np.abs(counts - len(values) * p) <= 5 * deviation).all()


def test_nobody_is_asked_where_everybody_moves() -> None:
    """The heads of a stroke have no episode then."""
    for patch, look in ((3, 7), (0, 0)):
        config, spec = PolicyConfig(width=16, patch=patch, glimpse=look, moves="alternate"), spec_of(grid=4)
        policy = build_policy(config, spec, (16, 16, 1), 2, False)
        weights = {name: tensor.numpy() for name, tensor in policy.state_dict().items()}
        network = SmallNetwork(config, spec, (16, 16, 1), 2, False, weights)
        moment = Moment(network.see(np.zeros((3, 16, 16, 1), np.uint8)), np.zeros((3, len(spec)), np.int64), 0)
        assert (act(network, moment, np.random.default_rng(0))[:, 0] == 0).all()


@pytest.mark.parametrize("side", [4, 7, 16, 32])
def test_places_are_those_of_the_policy(side: int) -> None:
    everywhere = np.arange(side**2)
    assert EXACT == glimpse.EXACT
    np.testing.assert_array_equal(bins(side), glimpse.bins(side).numpy())
    np.testing.assert_array_equal(offsets(everywhere, side), glimpse.offsets(side).numpy())
    seen = tuple(map(tuple, np.random.default_rng(side).uniform(size=(side**2, 2)).tolist()))
    for patch, where in ((3, ()), (4, ()), (15, seen)):
        component = Component("end", side**2, "grid", seen=where)
        expected = sight.around(component, (24, 32, 3), patch).numpy()
        np.testing.assert_array_equal(around(everywhere, component, (24, 32, 3), patch), expected)


def test_weights_of_another_network_are_named() -> None:
    weights = {"a": np.zeros((2, 3), np.float32)}
    check_weights(weights, {"a": (2, 3)})
    with pytest.raises(ValueError, match=r'"a" has shape \(2, 3\), this policy needs \(3, 2\)'):
        check_weights(weights, {"a": (3, 2)})
    with pytest.raises(ValueError, match=r'"b" has shape None, this policy needs \(1,\)'):
        check_weights(weights, {"a": (2, 3), "b": (1,)})
    weights["a"][0, 0] = np.nan
    with pytest.raises(ValueError, match='"a" holds values that are not finite'):
        check_weights(weights, {"a": (2, 3)})
    with pytest.raises(ValueError, match="not a safetensors file"):
        parse_weights(b"nothing of the kind")
