"""Strokes of both action interfaces: which actions paint, where strokes begin, how long they are."""

from __future__ import annotations

import numpy as np
import pytest

from spiral.configuration.schema import PolicyConfig
from spiral.engines.mypaint.engine import action_spec
from spiral.engines.mypaint.settings import MyPaintSettings
from spiral.policy import build_policy
from spiral.values.actions import ActionSpec, Component
from spiral.values.strokes import begun, laid, lengths, painted, pen_of

GRID = 8
CURVE = action_spec(MyPaintSettings(grid=GRID))
COMPOUND = action_spec(MyPaintSettings(grid=GRID, interface="compound"))
BARE = action_spec(MyPaintSettings(grid=GRID, interface="compound", brush_sizes=(1.0,), pressure=False))


def actions(spec: ActionSpec, rows: list[tuple[int, ...]]) -> np.ndarray:
    """One episode ``[T, 1, K]``; components that are left out are 0."""
    return np.array([[[*row, *([0] * (len(spec) - len(row)))]] for row in rows], np.int32)


def test_a_curve_is_painted_by_one_action() -> None:
    flags = actions(CURVE, [(0,), (1,), (1,), (0,), (1,), (0,), (0,), (1,)])
    assert painted(flags, CURVE)[:, 0].tolist() == [False, True, True, False, True, False, False, True]
    assert np.flatnonzero(begun(flags, CURVE)).tolist() == [4, 7]
    assert np.flatnonzero(laid(flags, CURVE)).tolist() == [1, 2, 4, 7]


@pytest.mark.parametrize("spec", [COMPOUND, BARE])
def test_a_compound_stroke_has_a_begin_and_further_places(spec: ActionSpec) -> None:
    flags = actions(spec, [(0,), (1,), (0,), (0,), (1,), (1,), (0,), (1,)])
    assert painted(flags, spec)[:, 0].tolist() == [False, False, True, True, False, False, True, False]
    assert np.flatnonzero(begun(flags, spec)).tolist() == [6]
    assert np.flatnonzero(laid(flags, spec)).tolist() == [4, 7]


def test_the_length_of_a_curve_is_nearly_that_of_the_bezier_curve() -> None:
    rng = np.random.default_rng(0)
    T, B = 40, 5
    drawn = np.stack([rng.integers(0, size, (T, B)) for size in CURVE.sizes], -1).astype(np.int32)
    found = lengths(drawn, CURVE)
    t = np.linspace(0, 1, 1001)[:, None]
    for b in range(B):
        pen = np.zeros(2)
        for step in range(T):
            flag, end, control = drawn[step, b, :3]
            end, control = (np.array(divmod(int(place), GRID)) / GRID for place in (end, control))
            curve = (1 - t) ** 2 * pen + 2 * t * (1 - t) * control + t**2 * end
            true = np.linalg.norm(np.diff(curve, axis=0), axis=1).sum() if flag else 0.0
            # The estimate is worst where the control point lies far beyond both ends.
            assert found[step, b] == pytest.approx(true, abs=0.12 * (1 if flag else 0))
            pen = end


def test_the_length_of_a_compound_stroke_is_that_of_its_chords() -> None:
    # row · 8 + column; appended before a stroke has begun, it is no way of the pen
    rows = [(0, 63), (1, 0), (0, 4), (0, 36), (1, 63), (0, 63), (0, 55)]
    expected = [0, 0, 0.5, 0.5, 0, 0, 0.125]
    np.testing.assert_allclose(lengths(actions(BARE, rows), BARE)[:, 0], expected, atol=1e-6)


def test_without_places_strokes_have_no_length() -> None:
    spec = ActionSpec((Component("flag", 2, "choice"), Component("size", 3, "choice")), ((True, False), (True, True)))
    with pytest.raises(ValueError, match=r"without a place for the pen.*flag.*size"):
        lengths(np.zeros((2, 1, 2), np.int32), spec)


def test_a_compound_stroke_needs_actions_that_do_not_paint_by_themselves() -> None:
    with pytest.raises(ValueError, match=r'policy.moves: "first".*compound.*expected "free"'):
        build_policy(PolicyConfig(moves="first"), COMPOUND, (32, 32, 1), 5, conditional=False)


def test_the_pen_is_at_the_place_that_every_action_says() -> None:
    assert CURVE.names[pen_of(CURVE) or 0] == "end"
    assert BARE.names[pen_of(BARE) or 0] == "control"
    seldom = ActionSpec(
        (Component("flag", 2, "choice"), Component("control", 64, "grid"), Component("end", 64, "grid")),
        ((True, False, True), (True, True, True)),
    )
    assert pen_of(seldom) == 2
    assert pen_of(ActionSpec((Component("size", 3, "choice"),), ())) is None
