"""The searches for objects: Metropolis–Hastings beside its rule in a slow loop, and greedy analysis by synthesis."""

from __future__ import annotations

import math

import numpy as np

from spiral.engines import create
from spiral.engines.objects import ObjectEngine, Objects
from spiral.reconstruction.greedy import greedy
from spiral.reconstruction.metropolis import VARIANCE, Chains, blocks, metropolis

ENGINE = create("scenes", {"canvas": 16})
assert isinstance(ENGINE, ObjectEngine)
SIZES = [component.size for component in ENGINE.attributes]
SLOTS = 20


def log_likelihood(objects: list[list[int]], target: np.ndarray) -> float:
    scene = np.array(objects, np.int32).reshape(1, -1, 6)
    frame = ENGINE.draw(scene, np.array([len(objects)]))[0]
    return float(-(((frame / 255.0 - target / 255.0) ** 2).sum()) / (2 * VARIANCE))


def test_the_blocks_are_each_attribute_and_the_color() -> None:
    assert [np.flatnonzero(block).tolist() for block in blocks(ENGINE)] == [[0], [1], [2], [3, 4, 5]]


def test_steps_are_those_of_the_rule_written_out() -> None:
    truth = ENGINE.scatter(3, 1, 3, seed=0)
    targets = ENGINE.draw(*truth)
    chains, random = Chains(ENGINE, targets, seed=7), np.random.default_rng(7)
    states: list[dict[int, list[int]]] = [{} for _ in targets]
    moved = 0
    for _ in range(100):
        slot = random.integers(SLOTS, size=3)
        choice = random.integers(5, size=3)
        fresh = random.integers(0, SIZES, (3, 6))
        luck = random.uniform(size=3)
        accepted = chains.step()
        for b, state in enumerate(states):
            proposal, forward, backward = dict(state), 1.0, 1.0
            if slot[b] not in state:
                proposal[slot[b]], backward = fresh[b].tolist(), 1 / 5
            elif choice[b] == 0:
                forward = 1 / 5
                del proposal[slot[b]]
            else:
                drawn = [[0], [1], [2], [3, 4, 5]][choice[b] - 1]
                proposal[slot[b]] = [fresh[b, k] if k in drawn else state[slot[b]][k] for k in range(6)]
            in_order = [[each[key] for key in sorted(each)] for each in (proposal, state)]
            ratio = log_likelihood(in_order[0], targets[b]) - log_likelihood(in_order[1], targets[b])
            wanted = math.log(luck[b]) < ratio + math.log(backward / forward)
            assert accepted[b] == wanted
            states[b] = proposal if wanted else state
            moved += wanted
            assert np.flatnonzero(chains.filled[b]).tolist() == sorted(states[b])
            assert chains.attributes[b][chains.filled[b]].tolist() == [states[b][key] for key in sorted(states[b])]
    assert 10 < moved < 290


def test_without_a_likelihood_the_prior_is_drawn() -> None:
    """Half of the slots are filled then, which they are not without the correction for the ways back."""
    chains = Chains(ENGINE, np.zeros((40, 16, 16, 3), np.uint8), seed=0, variance=1e12)
    for _ in range(200):
        chains.step()
    assert abs(chains.filled.mean() - 0.5) < 4 * 0.5 / math.sqrt(40 * SLOTS)


def test_the_best_scenes_come_nearer_and_never_go_back() -> None:
    targets = ENGINE.draw(*ENGINE.scatter(4, 1, 2, seed=1))
    errors = []
    for _, found in metropolis(ENGINE, targets, 0, [1, 20, 60]):
        errors.append(((ENGINE.draw(*found).astype(int) - targets) ** 2).sum((1, 2, 3)))
    assert (errors[0] >= errors[1]).all()
    assert (errors[1] >= errors[2]).all()
    start = ENGINE.scatter(4, 1, 2, seed=1)
    ((_, kept),) = metropolis(ENGINE, targets, 0, [20], start)
    np.testing.assert_array_equal(ENGINE.draw(*kept), targets)


def test_greedy_finds_a_single_object_as_trying_everything_would() -> None:
    truth = ENGINE.scatter(1, 1, 1, seed=3)
    (target,) = ENGINE.draw(*truth)
    found, drawings = greedy(ENGINE, target)
    assert drawings == 4 * 256 * 3 * 4
    assert [len(scene.attributes[0]) for scene in found] == [0, 1]
    np.testing.assert_array_equal(ENGINE.draw(*found[1])[0], target)


def test_a_component_of_the_color_decides_its_channel_alone() -> None:
    """What lets greedy find each by itself."""
    scenes = np.array([[[1, 119, 2, red, 1, 2]] for red in range(4)], np.int32)
    frames = ENGINE.draw(*Objects(scenes, np.ones(4, np.int32)))
    assert len(np.unique(frames[..., 0], axis=0)) == 4
    assert len(np.unique(frames[..., 1:], axis=0)) == 1
