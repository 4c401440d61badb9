"""Layers of a drawing: one for each pen, the picture as before, and the order for plotters."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spiral.exports.layers import Layer, layers, optimised, pen_up, without_return
from spiral.values.drawing import Drawing, Point, Stroke

BLACK, RED = (0, 0, 0), (255, 0, 0)


def line(start: Point, end: Point, colour: tuple[int, int, int] = BLACK, pen: str = "size 1") -> Stroke:
    return Stroke(start, ((end,),), 1.0, colour, 1.0, pen)


def drawing(*strokes: Stroke) -> Drawing:
    return Drawing(64, 64, strokes)


def pens(found: list[Layer]) -> list[tuple[int, int]]:
    """Number of each layer's pen, and of its strokes."""
    return [(layer.number, len(layer.strokes)) for layer in found]


def test_strokes_of_one_size_and_color_are_one_layer() -> None:
    low, high = line((0, 0), (9, 0)), line((0, 20), (9, 20))
    assert pens(layers(drawing(low, replace(high, pen="size 2"), high))) == [(1, 2), (2, 1)]
    assert pens(layers(drawing(low, replace(high, colour=RED), low))) == [(1, 2), (2, 1)]


def test_strokes_of_other_colors_that_touch_keep_their_order() -> None:
    black, red = line((0, 0), (9, 0)), line((4, -5), (4, 5), RED)
    found = layers(drawing(black, red, black, line((40, 40), (50, 40))))
    assert pens(found) == [(1, 2), (2, 1), (1, 1)], "the last stroke touches nothing and joins the first layer"
    assert pens(layers(drawing())) == []


POINT = st.tuples(st.integers(0, 40).map(float), st.integers(0, 40).map(float))
STROKES = st.lists(st.builds(line, POINT, POINT, st.sampled_from([BLACK, RED, (0, 0, 255)])), max_size=12)


@given(STROKES)
def test_layers_have_every_stroke_and_each_pair_that_may_show_its_order_in_it(strokes: list[Stroke]) -> None:
    unique = [replace(stroke, opacity=1 - i / 100) for i, stroke in enumerate(strokes)]
    laid = [stroke for layer in layers(drawing(*unique)) for stroke in layer.strokes]
    assert sorted(stroke.opacity for stroke in laid) == sorted(stroke.opacity for stroke in unique)
    for later, upper in enumerate(laid):
        for lower in laid[:later]:
            if upper.opacity > lower.opacity and upper.colour != lower.colour:  # it was painted before
                xs, ys = zip(*upper.points(), strict=True)
                us, vs = zip(*lower.points(), strict=True)
                assert min(us) > max(xs) or max(us) < min(xs) or min(vs) > max(ys) or max(vs) < min(ys)


def test_the_optimised_order_moves_the_lifted_pen_less_and_draws_the_same() -> None:
    generator = np.random.default_rng(0)
    strokes = [line(tuple(a), tuple(b)) for a, b in generator.integers(0, 64, (40, 2, 2)).astype(float)]
    before = layers(drawing(*strokes))
    after = optimised(before)
    assert pen_up(after) < 0.5 * pen_up(before)
    assert {frozenset(stroke.points()) for stroke in after[0].strokes} == {frozenset(s.points()) for s in strokes}
    assert pen_up([]) == 0


def test_pen_up_travel_is_that_from_the_corner_and_between_strokes() -> None:
    found = layers(drawing(line((3, 4), (3, 10)), line((3, 12), (9, 12), RED)))
    assert pen_up(found) == pytest.approx(5 + 2)


def test_a_reversed_stroke_is_the_same_line() -> None:
    stroke = Stroke((0, 0), (((1, 0), (2, 0), (3, 3)), ((4, 4),), ((5, 5), (6, 0))), 1.0, BLACK, 1.0, "size 1")
    back = stroke.reversed()
    assert back.segments == (((5, 5), (4, 4)), ((3, 3),), ((2, 0), (1, 0), (0, 0)))
    assert back.start == (6, 0)
    assert back.reversed() == stroke


def test_a_curve_that_returns_to_its_start_is_a_line_to_its_turning_point() -> None:
    there_and_back = Stroke((10, 10), (((30, 20), (10, 10)),), 1.0, BLACK, 1.0, "size 1")
    assert without_return(there_and_back).segments == (((20, 15),),)
    dot = replace(there_and_back, segments=(((10, 10), (10, 10)),))
    assert without_return(dot).segments == (((10, 10),),)
    goes_on = replace(there_and_back, segments=(*there_and_back.segments, ((5, 5),)))
    assert without_return(goes_on).segments == (((20, 15),), ((10, 10),), ((5, 5),))
