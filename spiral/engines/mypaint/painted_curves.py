"""Where the line of a broad stroke runs: the brush lags behind the curve of an action, so dabs cover less of it.

Dabs lie a part of their radius apart and follow the pen late, and the last ones have not arrived when an action ends.
"""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from spiral.values.drawing import Point, Segment

TRIED = np.linspace(0.0, 1.0, 65)
"""Parameters of a curve at which it is looked at."""

Bezier = tuple[Point, ...]
"""Control points."""


def covered(
    start: Point, segments: tuple[Segment, ...], dabs: NDArray[np.float64]
) -> tuple[Point, tuple[Segment, ...]]:
    """The line that dabs ``[N, 2]`` cover, from the first one to the last one, with the same kind of segments."""
    if len(segments) == 1:
        curve = (start, *segments[0])
        part = _part(curve, *sorted((_nearest(curve, dabs[0]), _nearest(curve, dabs[-1]))))
        best = min((part, _fit(curve, dabs)), key=lambda tried: _distance(tried, dabs))
        return best[0], (best[1:],)
    head, tail = (start, *segments[0]), (segments[-2][-1], *segments[-1])
    head = _part(head, _nearest(head, dabs[0]), 1.0)
    tail = _part(tail, 0.0, _nearest(tail, dabs[-1]))
    return head[0], (head[1:], *segments[1:-1], tail[1:])


def _fit(curve: Bezier, dabs: NDArray[np.float64]) -> Bezier:
    """The Bézier curve nearest to dabs ``[N, 2]`` (least squares), which follow a given one at even distances."""
    degree = len(curve) - 1
    if len(dabs) <= degree:
        return tuple(_point(dabs[round(k / degree * (len(dabs) - 1))]) for k in range(degree + 1))
    lengths = np.concatenate([[0.0], np.hypot(*np.diff(_way(curve), axis=0).T).cumsum()])
    t = np.interp(np.linspace(0, lengths[-1], len(dabs)), lengths, TRIED)
    weights = np.stack([math.comb(degree, k) * t**k * (1 - t) ** (degree - k) for k in range(degree + 1)], 1)
    return tuple(_point(place) for place in np.linalg.lstsq(weights, dabs, rcond=None)[0])


def _distance(curve: Bezier, dabs: NDArray[np.float64]) -> float:
    """How far a curve and dabs ``[N, 2]`` are apart where they are farthest (Hausdorff)."""
    apart = np.hypot(*(_way(curve)[:, None] - dabs[None]).transpose(2, 0, 1))
    return float(max(apart.min(0).max(), apart.min(1).max()))


def _nearest(curve: Bezier, to: NDArray[np.float64]) -> float:
    """The parameter at which a curve is nearest to a place."""
    return float(TRIED[np.hypot(*(_way(curve) - to).T).argmin()])


def _part(curve: Bezier, start: float, end: float) -> Bezier:
    """A part of a curve, as a curve."""
    degree = len(curve) - 1
    return tuple(_blossom(curve, [start] * (degree - k) + [end] * k) for k in range(degree + 1))


def _way(curve: Bezier) -> NDArray[np.float64]:
    """The places of a curve at TRIED: ``[65, 2]``."""
    return np.array([_blossom(curve, [t] * (len(curve) - 1)) for t in TRIED])


def _blossom(points: Bezier, parameters: list[float]) -> Point:
    """De Casteljau's construction with a parameter of its own in each round; with one for all, a place of the curve."""
    for t in parameters:
        points = tuple(((1 - t) * x0 + t * x1, (1 - t) * y0 + t * y1) for (x0, y0), (x1, y1) in pairwise(points))
    return points[0]


def _point(place: NDArray[np.float64]) -> Point:
    return float(place[0]), float(place[1])
