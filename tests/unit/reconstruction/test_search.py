"""The search that polishes programs: it only ever comes nearer, and stays within what a policy may say."""

from __future__ import annotations

import numpy as np
import pytest

from spiral.configuration.files import load_config
from spiral.datasets import load
from spiral.engines import Engine, create
from spiral.engines.programs import Program, render
from spiral.evaluation.targets import mse
from spiral.reconstruction.search import Search, changed
from spiral.values.actions import ActionSpec, Component

N, T = 3, 4


@pytest.fixture(name="engine", scope="module")
def _engine() -> Engine:
    engine = load_config("mnist-reconstruct").engine
    return create(engine.name, engine.settings)


def programs(engine: Engine, moves: str = "first", count: int = N) -> np.ndarray:
    drawn = np.random.default_rng(0).integers(0, engine.spec.sizes, (count, T, len(engine.spec)), dtype=np.int32)
    drawn[:, 1:, 0] = 1
    if moves == "alternate":
        drawn[:, ::2, 0] = 0
    return drawn


def painted(engine: Engine, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    canvases = engine.open(len(actions))
    frames = canvases.reset(np.zeros(len(actions), np.int64))
    for action in actions.transpose(1, 0, 2):
        frames = canvases.step(np.ascontiguousarray(action))
    return frames, canvases.canvas()


def test_it_comes_nearer_and_says_what_its_programs_paint(engine: Engine) -> None:
    settings = load_config("mnist-reconstruct").engine.settings
    targets = load("mnist-sample", 32).test[:N]
    search = Search(engine, targets, programs(engine), "first", seed=0)
    before = search.errors
    np.testing.assert_allclose(before, mse(painted(engine, programs(engine))[0], targets))
    for _ in range(3):
        earlier = search.errors
        search.advance(100)
        assert (search.errors <= earlier).all()
    assert search.errors.mean() < before.mean() / 2
    frames, canvases = painted(engine, search.programs)
    np.testing.assert_allclose(search.errors, mse(frames, targets))
    replayed = [render(Program(engine.name, settings, actions)) for actions in search.programs]
    np.testing.assert_array_equal(np.concatenate(replayed), canvases)
    assert search.tried == 3 * 104


def test_the_same_seed_finds_the_same_and_no_try_changes_nothing(engine: Engine) -> None:
    targets = load("mnist-sample", 32).test[:N]
    found = []
    for _ in range(2):
        search = Search(engine, targets, programs(engine), "first", seed=5)
        search.advance(0)
        np.testing.assert_array_equal(search.programs, programs(engine))
        search.advance(40)
        found.append(search.programs)
    np.testing.assert_array_equal(found[0], found[1])


@pytest.mark.parametrize("moves", ["free", "first", "alternate"])
def test_a_change_is_one_action_within_its_range_and_a_flag_only_where_it_is_free(engine: Engine, moves: str) -> None:
    before = programs(engine, moves, count=2000).transpose(1, 0, 2)
    after = changed(before, engine.spec, moves, np.random.default_rng(1))
    engine.spec.validate(after, engine.name)
    other = after != before
    assert (other.any(-1).sum(0) <= 1).all()
    assert other.any((0, 1))[1:].all()
    flags = other[..., 0].any(1)
    expected = {"free": [True] * T, "first": [True] + [False] * (T - 1), "alternate": [False] * T}[moves]
    assert flags.tolist() == expected


def test_what_changes_alone_counts(engine: Engine) -> None:
    before = programs(engine, "alternate", count=4000).transpose(1, 0, 2)
    other = changed(before, engine.spec, "alternate", np.random.default_rng(4)) != before
    assert other.any((0, 2)).mean() > 0.99  # a move is seldom drawn anew to where it goes already
    alone = other.sum((0, 2)) == 1
    counts = engine.spec.mask(before)
    moves_wholly_drawn = 0.02  # with all but one component as they were
    assert (other & ~counts)[:, alone].any((0, 2)).mean() < moves_wholly_drawn


def test_a_neighbour_is_one_step_aside_in_all_directions_and_at_the_edges() -> None:
    spec = ActionSpec((Component("end", 256, "grid"), Component("size", 4, "choice")))
    for place in (17 * 8, 0, 255):
        before = np.zeros((1, 4000, 2), np.int32)
        before[..., 0] = place
        after = changed(before, spec, "free", np.random.default_rng(2))[0]
        steps = np.stack(np.divmod(after[:, 0], 16), 1) - np.divmod(place, 16)
        assert len({(row, column) for row, column in steps.tolist() if max(abs(row), abs(column)) == 1}) in (8, 3)
        assert set(after[:, 1].tolist()) == {0, 1, 2, 3}


def test_an_action_may_be_a_flag_alone() -> None:
    flag = ActionSpec((Component("flag", 2, "choice"),))
    after = changed(np.zeros((2, 50, 1), np.int32), flag, "free", np.random.default_rng(3))
    assert set(after.flatten().tolist()) == {0, 1}


def test_more_targets_than_an_engine_has_canvases_for_are_a_sentence(engine: Engine) -> None:
    with pytest.raises(ValueError, match="targets: 513 at once are too many for a search; at most 512"):
        Search(engine, np.zeros((513, 32, 32, 1), np.uint8), programs(engine, count=513), "first", seed=0)
