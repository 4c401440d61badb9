"""Drawings by pen, as plotters need them: layers that show the same picture, in an order that moves the pen little."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from spiral.values.drawing import Drawing, Point, Segment, Stroke

MARGIN = 1.0
"""Strokes within this distance of each other may share a pixel's edge; in pixels of the canvas."""


@dataclass(slots=True)
class Layer:
    """Strokes of one pen; their order does not change the picture."""

    number: int
    """Number of the pen, from 1."""
    pen: str
    colour: tuple[int, int, int]
    strokes: list[Stroke] = field(default_factory=list)


def layers(drawing: Drawing) -> list[Layer]:
    """One layer for each pen (size and color).

    Touching strokes of different colors keep their order; if necessary, a pen has several layers.
    """
    found: list[Layer] = []
    numbers: dict[tuple[str, tuple[int, int, int]], int] = {}
    strokes = [without_return(stroke) for stroke in drawing.strokes]
    boxes = np.array([_box(stroke) for stroke in strokes]).reshape(-1, 4)
    colours = np.array([stroke.colour for stroke in strokes]).reshape(-1, 3)
    layer_of = np.zeros(len(strokes), np.int64)
    for i, stroke in enumerate(strokes):
        left, top, right, bottom = boxes[i]
        before = boxes[:i]
        touches = (before[:, 0] < right) & (before[:, 2] > left) & (before[:, 1] < bottom) & (before[:, 3] > top)
        touches &= (colours[:i] != colours[i]).any(1)
        first = int(layer_of[:i][touches].max(initial=-1)) + 1
        pen = (stroke.pen, stroke.colour)
        at = next((k for k in range(first, len(found)) if (found[k].pen, found[k].colour) == pen), len(found))
        if at == len(found):
            found.append(Layer(numbers.setdefault(pen, len(numbers) + 1), *pen))
        found[at].strokes.append(stroke)
        layer_of[i] = at
    return found


def optimised(found: Sequence[Layer]) -> list[Layer]:
    """The same layers, each reordered: the next stroke has the end nearest to where the pen was lifted."""
    pen: Point = (0.0, 0.0)
    result = []
    for layer in found:
        ends = np.array([(stroke.start, stroke.end) for stroke in layer.strokes])
        left = np.ones(len(ends), bool)
        ordered = []
        for _ in layer.strokes:
            way = np.hypot(*(ends - pen).transpose(2, 0, 1))
            way[~left] = np.inf
            which, end = divmod(int(way.argmin()), 2)
            left[which] = False
            stroke = layer.strokes[which].reversed() if end else layer.strokes[which]
            ordered.append(stroke)
            pen = stroke.end
        result.append(replace(layer, strokes=ordered))
    return result


def pen_up(found: Sequence[Layer]) -> float:
    """How far a plotter moves its lifted pen, starting in the upper left corner; in pixels of the canvas."""
    strokes = [stroke for layer in found for stroke in layer.strokes]
    lifted: list[Point] = [(0.0, 0.0), *(stroke.end for stroke in strokes)]
    return sum(math.dist(at, stroke.start) for at, stroke in zip(lifted, strokes, strict=False))


def without_return(stroke: Stroke) -> Stroke:
    """The same picture without quadratic curves that return to their start, which cairo draws as dots.

    Such a curve is a line to its turning point, halfway to the control point, and back.
    """
    segments: list[Segment] = []
    at = stroke.start
    for index, segment in enumerate(stroke.segments):
        if len(segment) == 2 and segment[1] == at:
            turn = ((at[0] + segment[0][0]) / 2, (at[1] + segment[0][1]) / 2)
            segments.append((turn,))
            if turn != at and index + 1 < len(stroke.segments):
                segments.append((at,))
        else:
            segments.append(segment)
        at = segment[-1]
    return replace(stroke, segments=tuple(segments))


def _box(stroke: Stroke) -> tuple[float, float, float, float]:
    """A box that contains the stroke: left, top, right, bottom."""
    xs, ys = zip(*stroke.points(), strict=True)
    reach = (stroke.width + MARGIN) / 2
    return min(xs) - reach, min(ys) - reach, max(xs) + reach, max(ys) + reach
