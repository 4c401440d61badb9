"""What the engine ``mypaint`` promises its callers."""

from __future__ import annotations

import resource
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from spiral.engines.mypaint import MyPaint

BRUSHES = ("classic/pen", "classic/dry_brush", "classic/charcoal", "classic/pencil")


def make(**settings: Any) -> MyPaint:
    return MyPaint.from_settings(settings)


def random_actions(engine: MyPaint, length: int, batch: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    actions = np.stack([rng.integers(0, size, (length, batch)) for size in engine.spec.sizes], -1).astype(np.int32)
    actions[..., 0] = rng.random((length, batch)) < 0.75
    return actions


def action(engine: MyPaint, flag: int, row: int, column: int, **others: int) -> list[int]:
    """An action that ends at a grid place; its control point is there too unless it is given."""
    place = row * engine.settings.grid + column
    values = {"flag": flag, "end": place, "control": place, **others}
    return [values.get(name, 0) for name in engine.spec.names]


def paint(engine: MyPaint, actions: list[list[int]]) -> np.ndarray:
    """The final canvas [H, W, C]."""
    with engine.open(1) as canvases:
        for values in actions:
            canvases.step(np.array([values], dtype=np.int32))
        return canvases.canvas()[0]


def test_components_stand_in_sampling_order_and_absent_ones_are_skipped() -> None:
    full = make(brush_sizes=[1, 2, 4, 8, 12, 24], colour=True)
    assert full.spec.names == ("flag", "end", "control", "size", "pressure", "red", "green", "blue")
    assert full.spec.sizes == (2, 1024, 1024, 6, 10, 20, 20, 20)
    grey = make(brush_sizes=[3], pressure=False, grid=16)
    assert grey.spec.names == ("flag", "end", "control")
    assert grey.spec.sizes == (2, 256, 256)
    assert [component.kind for component in full.spec.components] == ["choice", "grid", "grid"] + 5 * ["choice"]


def test_only_flag_and_end_count_in_a_move() -> None:
    engine = make(colour=True)
    move, painted = engine.spec.mask(np.array([[0] * 8, [1] * 8], dtype=np.int32))
    assert move.tolist() == [True, True] + 6 * [False]
    assert painted.all()
    assert engine.reset_mask == (False,) * 8
    assert make(colour=True, legacy_reset_mask=True).reset_mask == tuple(move.tolist())


# The last one picks up color, beyond the canvas too, where canvases share memory.
@pytest.mark.parametrize("brush", [*BRUSHES, "classic/smudge+paint"])
def test_the_same_program_paints_the_same_pixels_whatever_was_painted_before(brush: str) -> None:
    engine = make(brush=brush, colour=True)
    program = random_actions(engine, 6, 1, seed=3)
    with engine.open(1) as alone:
        first = [alone.step(step) for step in program]
    before = random_actions(engine, 5, 7, seed=4)
    for threads, position in ((1, 0), (2, 3), (5, 6)):
        with engine.open(7, threads) as canvases:
            for step in before:
                canvases.step(step)
            canvases.reset(np.arange(7))
            for t, expected in enumerate(first):
                steps = random_actions(engine, 1, 7, seed=10 + t)[0]
                steps[position] = program[t, 0]
                np.testing.assert_array_equal(canvases.step(steps)[position], expected[0])


def test_canvases_of_several_callers_do_not_disturb_each_other() -> None:
    engine = make(brush="classic/dry_brush")
    actions = random_actions(engine, 8, 4)

    def final(threads: int) -> np.ndarray:
        with engine.open(4, threads) as canvases:
            return [canvases.step(step) for step in actions][-1]

    expected = final(1)
    with ThreadPoolExecutor(4) as pool:
        for picture in pool.map(final, [1, 2, 1, 3] * 3):
            np.testing.assert_array_equal(picture, expected)


def test_the_last_grid_place_is_pixel_62() -> None:
    engine = make(brush_sizes=[1])  # not cut off by the edge
    row = paint(engine, [action(engine, 0, 31, 8), action(engine, 1, 31, 24, pressure=4)])[..., 0]
    column = paint(engine, [action(engine, 0, 8, 31), action(engine, 1, 24, 31, pressure=4)])[..., 0]
    for ink in (255.0 - row, 255.0 - column.T):
        centre = (ink.sum(1) * (np.arange(64) + 0.5)).sum() / ink.sum()  # pixel i covers i … i + 1
        assert abs(centre - 62) < 0.25


def test_a_jump_leaves_no_ink_between() -> None:
    for brush in BRUSHES:
        engine = make(brush=brush, brush_sizes=[2])
        picture = paint(
            engine,
            [
                action(engine, 0, 4, 2),
                action(engine, 1, 4, 6, pressure=9),
                action(engine, 0, 28, 26),
                action(engine, 1, 28, 30, pressure=9),
            ],
        )[..., 0]
        assert picture[:20, :20].min() < 128
        assert picture[44:, 44:].min() < 128
        between = picture.copy()
        between[:20, :20] = between[44:, 44:] = 255
        assert (between == 255).all(), brush


def test_legacy_move_starts_the_next_stroke_on_the_diagonal() -> None:
    strokes = [(0, 24, 4), (1, 24, 30)]
    right, legacy = (
        paint(engine, [action(engine, *stroke, pressure=9) for stroke in strokes])[..., 0]
        for engine in (make(brush_sizes=[2]), make(brush_sizes=[2], legacy_move=True))
    )
    assert right[48, 20] < 128  # from x = 8 on
    assert legacy[48, 20] == 255  # from x = y = 48 on
    assert legacy[48, 54] < 128


@pytest.mark.parametrize(
    ("size", "dark_rows", "mean_ink"),
    [(0, 2, 0.022), (1, 4, 0.054), (2, 10, 0.100), (3, 15, 0.208), (4, 29, 0.303), (5, 32, 0.518)],
)
def test_dry_brush_lays_as_much_ink_as_measured(size: int, dark_rows: int, mean_ink: float) -> None:
    """docs/method.md, 4: a horizontal stroke of 48 pixels at pressure 0.5."""
    engine = make(brush="classic/dry_brush", brush_sizes=[1, 2, 4, 8, 12, 24])
    picture = paint(
        engine, [action(engine, 0, 16, 4), action(engine, 1, 16, 28, size=size, pressure=4, control=16 * 32 + 16)]
    )[..., 0]
    assert abs((picture[:, 32] < 128).sum() - dark_rows) <= max(2, 0.2 * dark_rows)
    assert 1 - picture.mean() / 255 == pytest.approx(mean_ink, rel=0.1)


def test_dry_brush_lays_ink_in_proportion_to_pressure() -> None:
    engine = make(brush="classic/dry_brush", brush_sizes=[4])
    ink = [
        1 - paint(engine, [action(engine, 0, 16, 4), action(engine, 1, 16, 28, pressure=level)]).mean() / 255
        for level in range(10)
    ]
    assert ink[0] == pytest.approx(0.025, rel=0.1)
    assert ink[9] == pytest.approx(0.206, rel=0.1)
    assert (np.diff(ink) > 0).all()
    assert np.corrcoef(ink, np.arange(10))[0, 1] > 0.99


@pytest.mark.parametrize(("brush", "difference"), list(zip(BRUSHES, (5, 5, 2, 1), strict=True)))
def test_a_larger_canvas_shows_the_same_strokes(brush: str, difference: float) -> None:
    """docs/method.md, 4: 512 pixels averaged down to 64."""
    engine = make(brush=brush)
    larger = engine.scaled(4).scaled(2)
    assert larger.canvas_shape == (512, 512, 1)
    actions = random_actions(engine, 4, 8, seed=5)
    actions[..., 0] = 1
    with engine.open(8) as small, larger.open(8, 2) as large:
        for step in actions:
            expected = small.step(step).astype(float)
            pictures = large.step(step).reshape(8, 64, 8, 64, 8).mean((2, 4))[..., None]
    assert np.abs(pictures - expected).mean() < difference
    assert np.corrcoef(pictures.ravel(), expected.ravel())[0, 1] > 0.95


def test_a_larger_canvas_repeats_itself_too() -> None:
    # stroke_to_2 would read what a fresh brush object finds in memory, so old brushes are freed in between.
    engine = make(brush="classic/dry_brush").scaled(4)
    actions = random_actions(engine, 2, 3, seed=6)
    pictures = []
    with engine.open(3) as canvases:
        for _ in range(3):
            canvases.reset()
            pictures.append([canvases.step(step) for step in actions][-1])
    np.testing.assert_array_equal(pictures[0], pictures[1])
    np.testing.assert_array_equal(pictures[0], pictures[2])


def area_average(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    """Exact, half up: [B, H, W, C] → [B, height, width, C]."""
    b, h, w, c = picture.shape
    cells = picture.astype(np.int64).reshape(b, height, h // height, width, w // width, c)
    area = (h // height) * (w // width)
    return ((2 * cells.sum((2, 4)) + area) // (2 * area)).astype(np.uint8)


@pytest.mark.parametrize(
    ("canvas", "view", "shape"),
    [
        (64, 32, (32, 32)),
        (64, 16, (16, 16)),
        (192, 64, (64, 64)),
        ([64, 128], 32, (32, 64)),
        ([128, 64], [32, 64], (32, 64)),
    ],
)
@pytest.mark.parametrize("colour", [False, True])
def test_the_view_is_the_exact_area_average(canvas: Any, view: Any, shape: tuple[int, int], colour: bool) -> None:
    engine = make(
        canvas=canvas, view=view, colour=colour, alpha=colour, background="transparent" if colour else "white"
    )
    assert engine.observation_shape == (*shape, 4 if colour else 1)
    actions = random_actions(engine, 6, 3)
    with engine.open(3) as canvases:
        np.testing.assert_array_equal(canvases.reset(), area_average(canvases.canvas(), *shape))
        for step in actions:
            np.testing.assert_array_equal(canvases.step(step), area_average(canvases.canvas(), *shape))


def test_a_canvas_need_not_be_square() -> None:
    engine = make(canvas=[64, 128], brush_sizes=[2], grid=32)
    picture = paint(engine, [action(engine, 0, 16, 4), action(engine, 1, 16, 28, pressure=9)])[..., 0]
    assert picture.shape == (64, 128)
    columns = np.flatnonzero((picture < 128).any(0))
    assert columns.min() == pytest.approx(16, abs=3)
    assert columns.max() == pytest.approx(112, abs=4)
    assert np.flatnonzero((picture < 128).any(1)).mean() == pytest.approx(31.5, abs=1)


def test_blank_canvases_have_the_background_in_every_channel() -> None:
    for settings, channels in (({}, 1), ({"colour": True}, 3), ({"colour": True, "alpha": True}, 4)):
        for background, value in (("white", 255), ("transparent", 0)):
            with make(background=background, **settings).open(2) as canvases:
                blank = canvases.reset()
            assert blank.shape == (2, 64, 64, channels)
            assert (blank == value).all()


def test_ink_on_a_transparent_canvas_keeps_its_colour_and_brings_its_alpha() -> None:
    engine = make(brush="classic/charcoal", colour=True, alpha=True, background="transparent", brush_sizes=[6])
    picture = paint(engine, [action(engine, 0, 16, 4), action(engine, 1, 16, 28, pressure=4, red=19, green=10)])
    alpha = picture[..., 3]
    assert (picture[:16] == 0).all()
    assert 0 < np.median(alpha[alpha > 0]) < 255
    covered = picture[alpha > 128]
    assert np.abs(covered[:, :3].astype(int) - [255, round(255 * 10 / 19), 0]).max() <= 2


def test_strokes_are_counted_and_those_that_start_apart() -> None:
    engine = make()
    flags = [0, 1, 1, 0, 0, 1, 1, 1]
    with engine.open(2) as canvases:
        for flag in flags:
            canvases.step(np.array([action(engine, flag, 5, 5), action(engine, 1, 9, 9)], dtype=np.int32))
        strokes, disjoint = canvases.strokes()
        assert strokes.tolist() == [5, 8]
        assert disjoint.tolist() == [2, 1]
        canvases.reset()
        assert [counts.tolist() for counts in canvases.strokes()] == [[0, 0], [0, 0]]


@pytest.mark.parametrize("settings", [{"view": 32}, {"canvas": 192, "colour": True}], ids=["small", "large"])
def test_distances_to_targets_are_those_of_the_observations(settings: dict[str, object]) -> None:
    engine = make(**settings)
    rng = np.random.default_rng(3)
    targets = rng.integers(0, 256, (2, *engine.observation_shape), dtype=np.uint8)
    targets[1] = 0  # as far from white paper as can be
    with engine.open(2) as canvases:
        actions = np.stack([action(engine, 1, 5, 5), action(engine, 0, 9, 9)]).astype(np.int32)
        for call in (canvases.reset, lambda: canvases.step(actions)):
            frames = call()
            expected = ((frames.astype(np.int64) - targets) ** 2).sum(axis=(1, 2, 3))
            np.testing.assert_array_equal(canvases.squared_distances(targets), expected)
        with pytest.raises(ValueError, match=r"targets: float32 .* is not uint8"):
            canvases.squared_distances(targets.astype(np.float32))  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="targets: uint8"):
            canvases.squared_distances(targets[:1])


def test_frames_are_written_where_the_caller_wants_them() -> None:
    engine = make(view=32)
    actions = random_actions(engine, 3, 4)
    record = np.empty((4, 4, 32, 32, 1), dtype=np.uint8)
    with engine.open(4) as canvases, engine.open(4) as others:
        assert canvases.reset(np.zeros(4, np.int64), out=record[0]).base is record
        for t, step in enumerate(actions, start=1):
            canvases.step(step, out=record[t])
            np.testing.assert_array_equal(record[t], others.step(step))
        for wrong in (record[:3, 0], record[0].astype(np.int32), record[0][:, ::-1]):
            with pytest.raises(
                ValueError, match=r"is not a contiguous, writable uint8 array of shape \[4, 32, 32, 1\]"
            ):
                canvases.step(actions[0], out=wrong)
        record.flags.writeable = False
        with pytest.raises(ValueError, match="writable"):
            canvases.step(actions[0], out=record[0])


def test_memory_stays_level_over_many_episodes() -> None:
    # A brush object has half a megabyte: 400 forgotten ones would be 200 MB.
    with make().open(4) as canvases:
        canvases.reset()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for _ in range(100):
            canvases.reset()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # kB


def test_the_version_names_library_and_brush() -> None:
    pen, pencil = make().version, make(brush="classic/pencil").version
    assert pen.startswith("libmypaint")
    assert "classic/pen sha256:" in pen
    assert pen != pencil
