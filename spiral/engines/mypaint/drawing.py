"""What a program paints, as strokes of pens: the curves that its actions name, with width and colour as painted."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spiral.engines.mypaint.canvases import MyPaintCanvases
from spiral.engines.mypaint.painted_curves import covered
from spiral.engines.mypaint.settings import MyPaintSettings
from spiral.values.actions import ActionSpec
from spiral.values.drawing import Point, Segment, Stroke

TEXTURE = (
    "colorize",
    "elliptical_dab_ratio",
    "eraser",
    "lock_alpha",
    "offset_by_random",
    "offset_by_speed",
    "radius_by_random",
    "smudge",
    "tracking_noise",
)
"""Settings of a brush whose strokes are no lines of one color, unless they rest at their neutral value."""
NEUTRAL = {"elliptical_dab_ratio": 1.0}
"""All others: 0."""
SCATTERING = ("random", "gridmap_x", "gridmap_y")
"""Inputs that change from dab to dab, whatever the pen does."""
HARD, OPAQUE = 0.5, 0.5
"""Softer and thinner brushes have no line to speak of."""

BROAD = 1 / 16
"""Of the canvas' side: wider lines run where the dabs are, narrower ones keep to their curves, so that they meet."""

Curve = tuple[Point, tuple[Segment, ...], NDArray[np.int32]]
"""Where it starts, how it goes on, and the action ``[K]`` that says with what ink."""


def strokes(
    canvases: MyPaintCanvases, actions: NDArray[np.int32], spec: ActionSpec, settings: MyPaintSettings, textured: bool
) -> Iterator[Stroke]:
    """Paint ``actions`` ``[T, K]`` on one blank canvas; yield what each stroke is, unless it leaves nothing there.

    ``textured``: the dabs are scattered about the curves.
    """
    curves = _compound_curves if settings.interface == "compound" else _single_curves
    canvases.keep_dabs()
    for action, curve in zip(actions, curves(actions, spec, settings), strict=True):
        canvases.step(action[None])
        dabs = canvases.dabs(0).astype(np.float64)
        if curve is None or not len(dabs):
            continue
        start, segments, ink = curve
        radius, dab_opacity, *parts = dabs[:, 2:].mean(0).tolist()
        if not textured and 2 * radius > BROAD * min(settings.canvas_size):
            start, segments = covered(start, segments, dabs[:, :2])
        size = settings.brush_sizes[ink[spec.index("size")] if "size" in spec.names else 0]
        # So many dabs lie on each place of the line.
        layers = max(1.0, 2 * radius * len(dabs) / max(_length(start, segments), 2 * radius))
        red, green, blue = (round(255 * min(max(part, 0.0), 1.0)) for part in parts)
        opacity = 1 - (1 - min(dab_opacity, 1.0)) ** layers
        yield Stroke(start, segments, 2 * radius, (red, green, blue), opacity, f"size {size:g}")


def texture(brush: Mapping[str, Any]) -> list[str]:
    """The settings of a brush file that lines of one width and color can't show."""
    settings = brush["settings"]
    found = [
        name
        for name in TEXTURE
        if name in settings
        and (settings[name]["base_value"] != NEUTRAL.get(name, 0.0) or any(settings[name]["inputs"].values()))
    ]
    found += [name for name, setting in settings.items() if any(setting["inputs"].get(source) for source in SCATTERING)]
    for name, least in (("hardness", HARD), ("opaque", OPAQUE)):
        if settings[name]["base_value"] < least:
            found.append(name)
    return sorted(set(found))


def _single_curves(actions: NDArray[np.int32], spec: ActionSpec, settings: MyPaintSettings) -> Iterator[Curve | None]:
    """Each action's curve; None for moves (native/curve_actions.c)."""
    pen = (0.0, 0.0)
    for action in actions:
        end = _place(int(action[spec.index("end")]), settings)
        if not action[0]:
            pen = (end[1] if settings.legacy_move else end[0], end[1])
            yield None
            continue
        control = _place(int(action[spec.index("control")]), settings)
        yield pen, ((control, end),), action
        pen = end


def _compound_curves(actions: NDArray[np.int32], spec: ActionSpec, settings: MyPaintSettings) -> Iterator[Curve | None]:
    """The spline that each action commits; None for actions that commit none (native/compound_actions.c)."""
    knots: list[Point] = []
    ink = actions[0]
    for action in actions:
        place = _place(int(action[spec.index("control")]), settings)
        if action[0]:
            yield (knots[0], _spline(knots), ink) if len(knots) > 1 else None
            knots, ink = [place], action
            continue
        if knots and knots[-1] != place:
            knots.append(place)
        yield None


def _spline(knots: list[Point]) -> tuple[Segment, ...]:
    """The natural cubic spline by chord length through places, as Bézier curves."""
    places = np.array(knots)
    chords = np.hypot(*np.diff(places, axis=0).T)
    bends, segments = _bends(places, chords), []
    for (start, end), (bend, bend_after), chord in zip(pairwise(places), pairwise(bends), chords, strict=True):
        leaving = end - start - (2 * bend + bend_after) * chord**2 / 6
        arriving = end - start + (bend + 2 * bend_after) * chord**2 / 6
        segments.append(tuple((float(x), float(y)) for x, y in (start + leaving / 3, end - arriving / 3, end)))
    return tuple(segments)


def _bends(places: NDArray[np.float64], chords: NDArray[np.float64]) -> NDArray[np.float64]:
    """The spline's second derivatives ``[N, 2]``, 0 at both ends: a tridiagonal system (native/compound_actions.c)."""
    bends, shares = np.zeros_like(places), np.zeros(len(places))
    slopes = np.diff(places, axis=0) / chords[:, None]
    for i in range(1, len(places) - 1):
        pivot = 2 * (chords[i - 1] + chords[i]) - chords[i - 1] * shares[i - 1]
        bends[i] = (6 * (slopes[i] - slopes[i - 1]) - chords[i - 1] * bends[i - 1]) / pivot
        shares[i] = chords[i] / pivot
    for i in range(len(places) - 2, 0, -1):
        bends[i] -= shares[i] * bends[i + 1]
    return bends


def _place(index: int, settings: MyPaintSettings) -> Point:
    height, width = settings.canvas_size
    rows, columns = settings.lattice
    return width * (index % columns) / columns, height * (index // columns) / rows


def _length(start: Point, segments: tuple[Segment, ...]) -> float:
    """About the length of a line: between its chord and the way by its control points, pixels."""
    total, at = 0.0, start
    for segment in segments:
        total += (math.dist(at, segment[-1]) + sum(math.dist(*pair) for pair in pairwise((at, *segment)))) / 2
        at = segment[-1]
    return total
