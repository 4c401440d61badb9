"""The interface ``compound`` against splines solved densely and painted call by call over libmypaint's C API."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from spiral.engines.mypaint import MyPaint
from spiral.engines.programs import Program, render
from tests.unit.engines.mypaint.test_published import Published, hsv

APPEND, BEGIN = 0, 1


def make(**settings: object) -> MyPaint:
    return MyPaint.from_settings({"interface": "compound", **settings})


def slow_spline(places: np.ndarray, parts: int = 50) -> np.ndarray:
    """``parts`` points after each place but the last: the interpolating C² cubic with no bend at its ends.

    Each chord has a polynomial of its own; all their coefficients come from one dense system of equations.
    """
    n = len(places) - 1
    chord = np.linalg.norm(np.diff(places, axis=0), axis=1)
    left, right = [], []

    def equation(value: np.ndarray, *terms: tuple[int, list[float]]) -> None:
        row = np.zeros(4 * n)
        for k, coefficients in terms:
            row[4 * k : 4 * k + 4] += coefficients
        left.append(row)
        right.append(value)

    zero = np.zeros(2)
    for k, h in enumerate(chord):
        equation(places[k], (k, [1, 0, 0, 0]))
        equation(places[k + 1], (k, [1, h, h**2, h**3]))
        if k + 1 < n:
            equation(zero, (k, [0, 1, 2 * h, 3 * h**2]), (k + 1, [0, -1, 0, 0]))
            equation(zero, (k, [0, 0, 2, 6 * h]), (k + 1, [0, 0, -2, 0]))
    equation(zero, (0, [0, 0, 2, 0]))
    equation(zero, (n - 1, [0, 0, 2, 6 * chord[-1]]))
    coefficients = np.linalg.solve(np.array(left), np.array(right)).reshape(n, 4, 2)
    way = [h * (i + 1) / parts for h in chord for i in range(parts)]
    return np.array([np.array([1, s, s**2, s**3]) @ coefficients[j // parts] for j, s in enumerate(way)])


class SlowCompound(Published):
    """One episode on one canvas, places collected in a list."""

    def __init__(self, settings: dict[str, object]) -> None:
        super().__init__(settings)
        self.places: list[tuple[float, float]] = []
        self.ink: dict[str, int] = {}

    def step(self, values: Sequence[int]) -> np.ndarray:
        action = dict(zip(self.names, values, strict=True))
        place = self.pixel(action["control"])
        self.library.mypaint_surface_begin_atomic(self.surface.pointer)
        if action["flag"] == BEGIN:
            self.commit()
            self.move_to(*place)
            self.places, self.ink = [place], action
        elif self.places and place != self.places[-1]:
            self.places.append(place)
        self.library.mypaint_surface_end_atomic(self.surface.pointer, None)
        return self.surface.picture()

    def commit(self) -> None:
        if len(self.places) < 2:
            return
        pressure = float(np.linspace(0.1, 1.0, 10)[self.ink["pressure"]]) if "pressure" in self.ink else 1.0
        self.set_base(radius_logarithmic=self.log_sizes[self.ink.get("size", 0)])
        if "red" in self.ink:
            levels = (float(np.linspace(0.0, 1.0, 20)[self.ink[name]]) for name in ("red", "green", "blue"))
            hue, saturation, value = hsv(*levels)
            self.set_base(color_h=hue, color_s=saturation, color_v=value)
        points = np.array(self.places)
        self.stroke_to(points[0, 1], points[0, 0], pressure)
        for y, x in slow_spline(points):
            self.stroke_to(x, y, pressure)


def random_actions(engine: MyPaint, length: int, batch: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    actions = np.stack([rng.integers(0, size, (length, batch)) for size in engine.spec.sizes], -1)
    actions[..., 0] = rng.random((length, batch)) < 0.3
    # A pen that is held still, which a stroke must bear too.
    repeated = rng.random((length, batch)) < 0.2
    repeated[0] = False
    actions[repeated, 1] = np.roll(actions[..., 1], 1, axis=0)[repeated]
    return actions.astype(np.int32)


@pytest.mark.parametrize(
    "settings",
    [
        {"brush": "classic/pen", "brush_sizes": [1, 2, 4]},
        {"brush": "classic/dry_brush", "brush_sizes": [2, 6], "colour": True, "alpha": True},
        {"brush": "classic/charcoal", "brush_sizes": [3], "pressure": False, "grid": 8, "canvas": [64, 128]},
    ],
)
def test_strokes_are_the_splines_through_their_places(settings: dict[str, object]) -> None:
    settings = {"interface": "compound", **settings}
    engine = MyPaint.from_settings(settings)
    length, episodes = 30, 3
    actions = random_actions(engine, length, episodes, seed=2)
    with engine.open(episodes, threads=2) as canvases:
        ours = [canvases.reset(), *(canvases.step(action) for action in actions)]
    for episode in range(episodes):
        slow = SlowCompound(settings)
        for step in range(length):
            picture = slow.step(actions[step, episode].tolist())[..., : engine.canvas_shape[2]]
            found = ours[step + 1][episode].astype(int)
            # Both solve the same equations, whose rounding moves a point by less than what float32 tells apart.
            assert np.abs(found - picture).max() <= 2, f"episode {episode}, after {step + 1} actions"
        slow.close()
    assert (ours[-1] != ours[0]).any()


def test_a_spline_bends_smoothly_where_a_polygon_has_corners() -> None:
    places = np.array([[0.0, 0.0], [0.0, 10.0], [10.0, 10.0], [10.0, 20.0]])
    points = np.vstack([places[:1], slow_spline(places, 200)])
    for place in places:
        assert np.linalg.norm(points - place, axis=1).min() < 1e-9
    turns = np.diff(np.unwrap(np.arctan2(*np.diff(points, axis=0).T)))
    assert np.abs(turns).max() < 0.02


def test_components_and_masks() -> None:
    engine = make(colour=True, brush_sizes=[1, 2])
    assert engine.spec.names == ("flag", "control", "size", "pressure", "red", "green", "blue")
    append, begin = engine.spec.mask(np.array([[APPEND] * 7, [BEGIN] * 7], np.int32))
    assert append.tolist() == [True, True] + 5 * [False]
    assert begin.all()
    bare = make(brush_sizes=[2], pressure=False)
    assert bare.spec.names == ("flag", "control")
    with pytest.raises(ValueError, match=r'legacy_move: true is of interface "curve"'):
        make(legacy_move=True)
    with pytest.raises(ValueError, match="interface"):
        MyPaint.from_settings({"interface": "spline"})


def step_all(engine: MyPaint, actions: list[list[int]]) -> list[np.ndarray]:
    with engine.open(1) as canvases:
        return [canvases.step(np.array([values], np.int32))[0] for values in actions]


def test_ink_shows_when_the_stroke_is_committed_and_is_that_of_its_begin() -> None:
    engine = make(grid=8, brush_sizes=[1, 6], pressure=False)
    fine = [[BEGIN, 9, 0], [APPEND, 14, 1], [APPEND, 54, 1], [BEGIN, 57, 1]]
    pictures = step_all(engine, fine)
    for blank in pictures[:3]:
        assert (blank == 255).all()
    assert (pictures[3] < 128).any()
    coarse = step_all(engine, [[BEGIN, 9, 1], *fine[1:]])
    assert (255.0 - coarse[3]).sum() > 2 * (255.0 - pictures[3]).sum()


def test_strokes_of_a_single_place_and_places_without_a_stroke_paint_nothing() -> None:
    engine = make(grid=8, brush_sizes=[4], pressure=False)
    nothing = [[APPEND, 9], [APPEND, 54], [BEGIN, 9], [BEGIN, 20], [APPEND, 20], [APPEND, 20], [BEGIN, 40], [APPEND, 3]]
    assert all((picture == 255).all() for picture in step_all(engine, nothing))
    with engine.open(1) as canvases:
        for values in [*nothing, [BEGIN, 0], [APPEND, 9], [BEGIN, 1]]:
            canvases.step(np.array([values], np.int32))
        assert [count.tolist() for count in canvases.strokes()] == [[2], [2]]
        canvases.reset()
        # What was begun before the reset is forgotten.
        canvases.step(np.array([[BEGIN, 30]], np.int32))
        assert (canvases.canvas() == 255).all()


def test_strokes_may_have_as_many_places_as_there_are_actions() -> None:
    engine = make(grid=64, brush_sizes=[1], pressure=False)
    rng = np.random.default_rng(0)
    program = [[BEGIN, 0], *([APPEND, int(place)] for place in rng.integers(0, 4096, 1000)), [BEGIN, 0]]
    assert (step_all(engine, program)[-1] < 255).mean() > 0.9


def test_the_same_program_paints_the_same_pixels_in_any_batch_position() -> None:
    engine = make(brush="classic/dry_brush", colour=True)
    program = random_actions(engine, 12, 1, seed=3)
    with engine.open(1) as alone:
        expected = [alone.step(step)[0] for step in program]
    before = random_actions(engine, 7, 5, seed=4)
    for threads, position in ((1, 0), (2, 3), (5, 4)):
        with engine.open(5, threads) as canvases:
            for step in before:
                canvases.step(step)
            canvases.reset()
            for t, picture in enumerate(expected):
                steps = random_actions(engine, 1, 5, seed=10 + t)[0]
                steps[position] = program[t, 0]
                np.testing.assert_array_equal(canvases.step(steps)[position], picture)


def test_a_program_keeps_the_interface_and_replays_at_any_size() -> None:
    settings = {"interface": "compound", "grid": 16, "brush_sizes": [2, 4], "view": 32}
    engine = MyPaint.from_settings(settings)
    actions = random_actions(engine, 20, 1, seed=6)
    with engine.open(1) as canvases:
        for step in actions:
            canvases.step(step)
        painted = canvases.canvas()[0]
    program = Program.from_json(Program("mypaint", settings, actions[:, 0]).to_json())
    assert program == Program("mypaint", settings, actions[:, 0])
    np.testing.assert_array_equal(render(program)[0], painted)
    larger = render(program, scale=8)[0].reshape(64, 8, 64, 8).mean((1, 3))
    assert np.corrcoef(larger.ravel(), painted.ravel())[0, 1] > 0.95
