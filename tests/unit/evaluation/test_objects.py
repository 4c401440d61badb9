"""Objects matched and judged, beside every assignment tried one by one."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from spiral.datasets import registry
from spiral.datasets.scenes import Scenes
from spiral.engines import create
from spiral.engines.objects import ObjectEngine, Objects
from spiral.evaluation.object_marks import MISSED, NOT_QUITE, RIGHT, marks
from spiral.evaluation.objects import match, match_all, object_figures, visible
from spiral.evaluation.picture import save_report_picture
from spiral.evaluation.runs import evaluate_run
from spiral.evaluation.targets import mse
from spiral.models.with_torch import load_trained
from tests.support.trained_run import make_trained_run

pytest.importorskip("scipy.optimize", reason="objects are matched by scipy, which is not installed")
ENGINE = create("scenes", {})
assert isinstance(ENGINE, ObjectEngine)
SIZES = [component.size for component in ENGINE.attributes]


def difference(one: list[int], other: list[int]) -> float:
    places = [divmod(place, 16) for place in (one[1], other[1])]
    rest = sum(a != b for k, (a, b) in enumerate(zip(one, other, strict=True)) if k != 1)
    return math.dist(*places) + rest


def least(found: list[list[int]], true: list[list[int]]) -> float:
    """The least sum of differences, by all assignments."""
    short, long = sorted((found, true), key=len)
    return min(sum(map(difference, short, chosen)) for chosen in itertools.permutations(long, len(short)))


def random_objects(count: int, rng: np.random.Generator) -> NDArray[np.int32]:
    return rng.integers(0, SIZES, (count, 6)).astype(np.int32)


def test_a_match_is_the_best_of_all() -> None:
    rng = np.random.default_rng(0)
    for _ in range(40):
        found, true = (random_objects(int(rng.integers(0, 5)), rng) for _ in range(2))
        matched = match(found, true, ENGINE.attributes)
        assert (matched.num_found, matched.num_true) == (len(found), len(true))
        assert len(matched.found) == len(matched.true) == min(len(found), len(true))
        total = sum(map(difference, matched.found.tolist(), matched.true.tolist()))
        assert total == pytest.approx(least(found.tolist(), true.tolist()))


def scenes(*objects: list[list[int]]) -> Objects:
    attributes = np.zeros((len(objects), 4, 6), np.int32)
    for scene, mine in zip(attributes, objects, strict=True):
        scene[: len(mine)] = np.array(mine, np.int32).reshape(-1, 6)
    return Objects(attributes, np.array([len(mine) for mine in objects], np.int32))


def test_figures_are_the_shares_that_one_counts_by_hand() -> None:
    corner, middle, other = [0, 0, 1, 3, 0, 0], [1, 119, 2, 0, 3, 0], [2, 255, 0, 1, 1, 1]
    truth = scenes([corner, middle], [other], [middle])
    found = scenes(
        [[1, 120, 2, 0, 3, 0], [0, 0, 1, 3, 0, 1]],  # a cell off is right; another blue is not
        [other, [2, 6, 0, 1, 1, 1]],  # one too many
        [],
    )
    figures = {figure.key: figure.estimate for figure in object_figures(ENGINE, match_all(ENGINE, found, truth), 0)}
    values = {key: found.value for key, found in figures.items()}
    assert values == pytest.approx(
        {
            "objects_right": 2 / 4,
            "type_right": 1,
            "size_right": 1,
            "color_right": 2 / 3,
            "cell_distance": 1 / 3,
            "count_error": 2 / 3,
        }
    )
    assert all(found.n == 3 and 0 <= found.low <= found.value <= found.high for found in figures.values())


def test_what_is_hidden_is_not_matched() -> None:
    small, large = [1, 119, 0, 0, 0, 0], [0, 119, 2, 1, 1, 1]
    seen = visible(ENGINE, scenes([small, large], [large], []))
    assert seen.counts.tolist() == [1, 1, 0]
    assert seen.attributes[0, 0].tolist() == large


def test_marks_say_what_became_of_each_object() -> None:
    near, far = [1, 199, 2, 3, 0, 0], [1, 50, 2, 0, 3, 0]
    truth = scenes([near, far])
    (target,) = ENGINE.draw(*truth)
    for found, seen in (([near, far], [RIGHT]), ([near, [0, *far[1:]]], [RIGHT, NOT_QUITE]), ([near], [RIGHT, MISSED])):
        (picture,) = marks(ENGINE, target[None], match_all(ENGINE, scenes(found), truth))
        assert picture.shape == (128, 128, 3)
        for color in (RIGHT, NOT_QUITE, MISSED):
            assert (picture == color).all(-1).any() == (color in seen)
    row, column = (np.argwhere((picture == MISSED).all(-1)).mean(0) / 128 * 16).tolist()
    assert row < 8
    assert column < 8  # the missed one is behind, on the left


def test_a_run_is_judged_object_by_object(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPIRAL_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(registry, "sources", lambda: (Scenes(train=40, held_out=10, most=2),))
    registry.get("scenes")
    settings = [
        "engine.name=scenes",
        "engine.settings={}",
        "conditional=true",
        "data=scenes",
        "learner.entropy_costs={}",
    ]
    run = make_trained_run(tmp_path, preset="demo", settings=[*settings, "policy.patch=0", "policy.glimpse=0"])
    report = evaluate_run("tiny", load_trained(run), 65, 0)
    assert {"mse", "objects_right", "type_right", "size_right", "color_right", "cell_distance", "count_error"} <= {
        figure.key for figure in report.figures
    }
    assert not report.left_out
    empty = ENGINE.draw(np.zeros((1, 1, 6), np.int32), np.array([0]))
    expected = mse(empty.repeat(len(report.real), 0), report.real).mean()
    assert report["blank_mse"].value == pytest.approx(expected, rel=0.5), "of an empty table, not of white paper"
    assert report["objects_right"].value < 0.2
    assert report["cell_distance"].value > 1
    save_report_picture(tmp_path / "report.png", report)
    assert (tmp_path / "report.png").stat().st_size > 10_000
