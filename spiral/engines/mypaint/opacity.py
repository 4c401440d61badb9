"""Checks that a brush's settings let it paint at all, by libmypaint's rules for their curves."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

NEEDED = ("opaque", "opaque_multiply", "hardness")
"""Settings that must be above 0 for a dab to show; libmypaint takes 0 if a file leaves one out."""
ANYTHING = (-1e6, 1e6)
"""Values of an input without limits."""
UNIT = (0.0, 1.0)

Curve = Sequence[Sequence[float]]


def find_void(settings: Mapping[str, Any]) -> str | None:
    """The setting that is never above 0, whatever the pen does, so that nothing is painted; None if there is none.

    ``settings``: those of a brush file whose form has been checked.
    """
    gain = settings.get("pressure_gain_log", {}).get("base_value", 0)
    ranges = {"pressure": (0.0, math.exp(min(gain, math.log(ANYTHING[1])))), "random": UNIT, "stroke": UNIT}
    for name in NEEDED:
        setting = settings.get(name)
        if setting is None:
            return name
        curves = {source: curve for source, curve in setting["inputs"].items() if curve}
        if setting["base_value"] + sum(highest(curve, *ranges.get(i, ANYTHING)) for i, curve in curves.items()) <= 0:
            return name
    return None


def highest(curve: Curve, low: float, high: float) -> float:
    """Largest value of a curve for inputs from ``low`` to ``high``; beyond its ends it continues straight.

    On a vertical piece libmypaint takes the first point, so a curve that ends in one never reaches its last value.
    """
    values = []
    last = len(curve) - 2
    for i, ((x0, y0), (x1, y1)) in enumerate(pairwise(curve)):
        left, right = low if i == 0 else max(low, x0), high if i == last else min(high, x1)
        if left > right or (x0 == x1 and 0 < i < last):
            continue
        flat = x0 == x1 or y0 == y1
        values += [y0] if flat else [y0 + (y1 - y0) * ((x - x0) / (x1 - x0)) for x in (left, right)]
    return max(values, default=0.0)
