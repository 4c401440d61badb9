"""Programs: their files, and what they paint."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import spiral
from spiral.engines import create
from spiral.engines.mypaint.brushes import find_brush
from spiral.engines.programs import MAX_ACTIONS, MAX_BYTES, Program, frames, render

SETTINGS: dict[str, Any] = {"brush": "classic/pen", "grid": 16, "view": 32}


def program(length: int = 6, seed: int = 0, **settings: Any) -> Program:
    chosen = {**SETTINGS, **settings}
    spec = create("mypaint", chosen).spec
    rng = np.random.default_rng(seed)
    actions = np.stack([rng.integers(0, size, length) for size in spec.sizes], -1)
    actions[:, 0] = 1
    return Program(engine="mypaint", settings=chosen, actions=actions)


def test_a_program_paints_what_the_engine_paints_step_by_step() -> None:
    made = program(7)
    with create("mypaint", SETTINGS).open(1) as canvases:  # type: ignore[attr-defined]
        expected = []
        for action in made.actions:
            canvases.step(action[None])
            expected.append(canvases.canvas()[0])
    np.testing.assert_array_equal(render(made, every=1), expected)
    np.testing.assert_array_equal(render(made), expected[-1:])
    np.testing.assert_array_equal(render(made, every=3), [expected[2], expected[5], expected[6]])
    np.testing.assert_array_equal(render(made, every=7), expected[-1:])
    np.testing.assert_array_equal(render(made, every=100), expected[-1:])
    assert [step for step, _ in frames(made, every=3)] == [3, 6, 7]


@pytest.mark.parametrize(
    ("settings", "shape"), [({}, (64, 64, 1)), ({"canvas": [64, 128], "colour": True}, (64, 128, 3))]
)
def test_the_picture_is_the_canvas_at_any_scale(settings: dict[str, Any], shape: tuple[int, int, int]) -> None:
    made = program(3, **settings)
    once = render(made)
    assert once.shape == (1, *shape)
    assert once.dtype == np.uint8
    twice = render(made, scale=2, every=1)
    assert twice.shape == (3, 2 * shape[0], 2 * shape[1], shape[2])


def test_a_picture_of_512_pixels_averages_to_that_of_64() -> None:
    """docs/method.md, 4: sizes grow with the canvas."""
    for seed in range(4):
        made = program(4, seed)
        small = render(made)[0].astype(float)
        large = render(made, scale=8)[0].reshape(64, 8, 64, 8).mean((1, 3))[..., None]
        assert np.corrcoef(small.ravel(), large.ravel())[0, 1] > 0.95


SPEED = {"speed1": [[0.0, 0.0], [4.0, 0.01]]}
"""Makes a larger canvas ask for libmypaint's second call."""


@pytest.mark.parametrize(
    "settings",
    [
        {"opaque": {"base_value": -1.0, "inputs": {"brush_radius": [[0.0, 2.0], [2.0, 1.5], [3.0, 0.0]]}}},
        {"opaque": {"base_value": 0.0, "inputs": {"gridmap_x": [[0.0, 0.1], [64.0, 1.0]]}}, "gridmap_scale_x": 1.0},
        {"opaque": {"base_value": -1.0, "inputs": {"viewzoom": [[-3.0, 0.0], [0.0, 2.0]], **SPEED}}},
        {"hardness": {"base_value": 0.8, "inputs": SPEED}, "posterize": 1.0, "posterize_num": 0.02},
        {"dabs_per_actual_radius": {"base_value": 1.0, "inputs": {"pressure": [[0.0, 0.0], [1.0, 5.0]], **SPEED}}},
    ],
    ids=["brush_radius", "gridmap", "viewzoom", "posterize", "dabs"],
)
def test_what_a_brush_takes_from_pixels_and_zoom_is_the_same_at_any_scale(
    settings: dict[str, Any], tmp_path: Path
) -> None:
    brush = json.loads(find_brush("classic/pen").read_text())
    plain = {name: {"base_value": value, "inputs": {}} for name, value in settings.items() if isinstance(value, float)}
    brush["settings"] |= settings | plain
    path = tmp_path / "newer.myb"
    path.write_text(json.dumps(brush))
    made = program(4, 1, brush=str(path), brush_sizes=[3, 6])
    small, large = render(made)[0], render(made, scale=4)[0].reshape(64, 4, 64, 4).mean((1, 3))
    assert small.min() < 128
    assert np.corrcoef(small.ravel(), large.ravel())[0, 1] > 0.98
    assert 255 - large.mean() == pytest.approx(255 - small.mean(), rel=0.1)


def test_a_brush_that_does_not_keep_its_look_is_told_of() -> None:
    with pytest.warns(
        UserWarning, match=r"scale: 4 times as large, the picture looks different: .* 0\.\d+, expected 0\.9"
    ):
        render(program(3, brush="tanda/texture-03", brush_sizes=[2]), scale=4)


def test_a_program_of_another_engine_is_painted_and_what_differs_is_told() -> None:
    here = create("mypaint", SETTINGS).version
    library, brush, digest = here.split()
    for version, told in (
        (
            here.replace(library, "libmypaint-1.5.so.1.0.9"),
            rf"painted with libmypaint-1.5.so.1.0.9, but here with {library};",
        ),
        (
            here.replace(digest, f"sha256:{'0' * 16}"),
            f'brush file "{brush}" was another one: .* began with 0000000000000000',
        ),
        ("squares 1", 'painted with "squares 1", but here with "libmypaint'),
    ):
        with pytest.warns(UserWarning, match=told):
            render(replace(program(), engine_version=version))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for version in ("", here, here.replace(brush, "/a copy/pen.myb")):
            render(replace(program(), engine_version=version))


def test_the_seed_is_recorded_and_changes_nothing() -> None:
    made = program(brush="classic/dry_brush")
    other = Program(made.engine, made.settings, made.actions, seed=7)
    assert other != made
    np.testing.assert_array_equal(render(other), render(made))


@given(
    actions=st.tuples(st.integers(1, 20), st.integers(1, 9)).flatmap(
        lambda shape: arrays(np.int32, shape, elements=st.integers(0, 2**31 - 1))
    ),
    settings=st.dictionaries(st.text(max_size=8), st.one_of(st.integers(-9, 9), st.text(max_size=8), st.booleans())),
    seed=st.integers(0, 2**63 - 1),
    version=st.text(max_size=20),
)
def test_a_file_holds_all_of_a_program(actions: np.ndarray, settings: dict[str, Any], seed: int, version: str) -> None:
    made = Program("mypaint", settings, actions, seed, engine_version=version)
    read = Program.from_json(made.to_json().encode())
    assert read == made
    assert hash(read) == hash(made)
    assert read.actions.dtype == np.int32


def test_programs_are_saved_and_loaded(tmp_path: Path) -> None:
    made = program()
    path = tmp_path / "one.json"
    made.save(path)
    assert Program.load(path) == made
    assert json.loads(path.read_text())["actions"] == made.actions.tolist()
    np.testing.assert_array_equal(render(Program.load(path)), render(made))


def test_a_program_does_not_change_with_the_arrays_it_was_made_from() -> None:
    actions = np.ones((2, 5), dtype=np.int32)
    settings: dict[str, Any] = dict(SETTINGS)
    made = Program("mypaint", settings, actions)
    actions[0, 0] = 0
    settings["grid"] = 4
    assert made.actions[0, 0] == 1
    assert made.settings["grid"] == 16
    with pytest.raises(ValueError, match="read-only"):
        made.actions[0, 0] = 0


@pytest.mark.parametrize(
    ("actions", "message"),
    [
        (np.zeros(5, np.int32), r"shape \[5\] is not \[T, K\]"),
        (np.zeros((0, 5), np.int32), r"shape \[0, 5\]"),
        (np.zeros((2, 0), np.int32), r"shape \[2, 0\]"),
        (np.zeros((MAX_ACTIONS + 1, 1), np.int32), f"1…{MAX_ACTIONS} actions"),
        (np.zeros((1, 65), np.int32), "1…64 components"),
        (np.zeros((1, 5)), "float64 are not integers"),
        (np.full((1, 5), -1), "-1…-1 do not fit"),
        (np.full((1, 5), 2**31), "do not fit into 0…2147483647"),
    ],
)
def test_arrays_that_are_no_actions_are_refused(actions: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Program("mypaint", {}, actions)


GOOD = {"format": "spiral-program/1", "engine": "mypaint", "engine_version": "", "settings": {}, "seed": 0}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ('{"seed": NaN}', "not JSON"),
        (b"\xff\xfe\x00", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "program: "),
        (json.dumps(GOOD), "actions: field required"),
        (json.dumps({**GOOD, "actions": []}), "actions: .*at least 1"),
        (json.dumps({**GOOD, "actions": [[]]}), "actions.0: .*at least 1"),
        (json.dumps({**GOOD, "actions": [[1, 2], [3]]}), "not all of them have the same number"),
        (json.dumps({**GOOD, "actions": [[1.5]]}), "actions.0.0: .*integer"),
        (json.dumps({**GOOD, "actions": [["1"]]}), "actions.0.0: .*integer"),
        (json.dumps({**GOOD, "actions": [[-1]]}), "actions.0.0: .*greater than or equal to 0"),
        (json.dumps({**GOOD, "actions": [[2**31]]}), "actions.0.0: .*less than"),
        (json.dumps({**GOOD, "actions": [[-1] * 60] * 100}), "and 5997 more"),
        (json.dumps({**GOOD, "actions": [[0]] * (MAX_ACTIONS + 1)}), "at most 10000"),
        (json.dumps({**GOOD, "actions": [[1]], "seed": -1}), "seed"),
        (json.dumps({**GOOD, "actions": [[1]], "format": "spiral-program/9"}), "format: .*spiral-program/1"),
        (json.dumps({**GOOD, "actions": [[1]], "colour": "red"}), "colour"),
        (json.dumps({**GOOD, "actions": [[1]], "settings": []}), "settings"),
    ],
)
def test_a_damaged_file_is_refused_with_what_is_wrong(text: str | bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "damaged.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ValueError, match=message) as caught:
        Program.load(path)
    assert "damaged.json: program: " in str(caught.value)
    assert len(str(caught.value)) < 2000


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "large.json"
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(ValueError, match=f"{MAX_BYTES + 1} bytes"):
        Program.load(path)


def test_what_cannot_be_painted_is_refused_before_the_first_frame() -> None:
    good = program()
    for scale, every, message in (
        (0, None, "scale: 0"),
        (129, None, "scale: 129 makes a canvas of 8256 × 8256 pixels; at most 8192 a side"),
        (1, 0, "every: 0"),
        (1, -1, "every: -1"),
    ):
        with pytest.raises(ValueError, match=message):
            frames(good, scale, every)
    actions = good.actions.copy()
    actions[3, 3] = 4
    with pytest.raises(ValueError, match="size: 4 is outside 0…3"):
        frames(Program("mypaint", SETTINGS, actions))
    with pytest.raises(ValueError, match="does not end in 5"):
        frames(Program("mypaint", SETTINGS, actions[:, :4]))
    with pytest.raises(ValueError, match='engine: "oils" is unknown'):
        frames(Program("oils", {}, actions))
    with pytest.raises(ValueError, match="brush"):
        frames(Program("mypaint", {"brush": "classic/nothing"}, actions))


def test_more_pictures_than_memory_holds_are_refused_before_the_first_and_can_be_had_one_by_one() -> None:
    long = Program("mypaint", SETTINGS, np.tile(program().actions[:1], (300, 1)))
    with pytest.raises(ValueError, match=r"scale: 64 makes 300 pictures of 5033164800 bytes in all"):
        render(long, scale=64, every=1)
    step, picture = next(frames(long, scale=64, every=1))
    assert (step, picture.shape) == (1, (4096, 4096, 1))


def test_the_package_offers_both_by_name() -> None:
    assert spiral.Program is Program
    assert spiral.render is render
    with pytest.raises(AttributeError, match="paint_everything"):
        _ = spiral.paint_everything
