"""The scene in numbers: sizes, camera, light and colors; everything that decides a picture except its objects.

Lengths are in half sides of the table: its top is the square -1 … 1 at z = 0; x points right, y away from the camera, z
up. Every number is rational, so no machine's sine decides a pixel. The paper gives none of them; all are ours.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

Vector = tuple[float, float, float]

TYPES = ("box", "sphere", "cylinder", "capsule")
GRID = 16
"""Places per row and per column; row 0 is the farthest, place = row · GRID + column."""
RADII = (0.15, 0.21, 0.27)
"""By size."""
LEVELS = (0.25, 0.5, 0.75, 1.0)
"""By a color component's bin. None is black, because black objects have no shading and look alike."""
BOX_HALF = 0.8
"""Half edge of a box, in radii."""
BOX_TURN = (0.8, 0.6)
"""Cosine and sine of a box's angle about the vertical, chosen so that two of its sides are visible."""
CYLINDER = (0.75, 1.0)
"""Radius and half height of an upright cylinder, in radii."""
CAPSULE = (0.65, 0.6)
"""Radius of a lying capsule, and half the length between the centers of its ends, in radii; its axis is x."""
TABLE = (0.65, 0.6, 0.53)
"""Color of the table; no object can have its hue."""
GROUND = (0.25, 0.3, 0.4)
"""Color beyond the table."""
LIGHT: Vector = (-0.36, -0.48, 0.8)
"""Direction to the light: from the left, from the camera's side, and from above."""
AMBIENT, DIFFUSE = 0.3, 0.7
"""A surface is as bright as AMBIENT + DIFFUSE · cosine of the light's angle to its normal, and never darker than
AMBIENT."""


@dataclass(frozen=True, slots=True)
class Camera:
    """A perspective camera. ``forward`` has length 1; ``right`` and ``up`` lead, at depth 1, to the picture's edges."""

    eye: Vector
    forward: Vector
    right: Vector
    up: Vector


ELEVATION = (0.6, 0.8)
"""Cosine and sine of the angle at which the camera looks down."""
DISTANCE = 5.0
"""Distance from the camera to the point it looks at."""
TARGET_Z = 0.1
HALF_FIELD = 0.31
"""Tangent of half the field of view."""


def camera(turn: tuple[float, float] = (1.0, 0.0)) -> Camera:
    """The camera, turned about the vertical by an angle of this cosine and sine."""
    (c, s), (flat, steep) = turn, ELEVATION

    def turned(x: float, y: float, z: float) -> Vector:
        return c * x - s * y, s * x + c * y, z

    return Camera(
        turned(0.0, -flat * DISTANCE, steep * DISTANCE + TARGET_Z),
        turned(0.0, flat, -steep),
        turned(HALF_FIELD, 0.0, 0.0),
        turned(0.0, HALF_FIELD * steep, HALF_FIELD * flat),
    )


def field_of_view() -> float:
    """Field of view of the picture from top to bottom, in degrees."""
    return math.degrees(2 * math.atan(HALF_FIELD))


def seen_places() -> tuple[tuple[float, float], ...]:
    """Where the fixed camera sees the middle of an object of medium size at each place: (row, column), 0 … 1."""
    fixed, height = camera(), RADII[len(RADII) // 2]
    across, upward = _dot(fixed.right, fixed.right), _dot(fixed.up, fixed.up)
    seen = []
    for place in range(GRID**2):
        row, column = divmod(place, GRID)
        middle = ((2 * column + 1) / GRID - 1, 1 - (2 * row + 1) / GRID, height)
        x, y, z = (there - eye for there, eye in zip(middle, fixed.eye, strict=True))
        away = x, y, z
        depth = _dot(away, fixed.forward)
        seen.append(
            (
                (1 - _dot(away, fixed.up) / (depth * upward)) / 2,
                (1 + _dot(away, fixed.right) / (depth * across)) / 2,
            )
        )
    return tuple(seen)


def _dot(a: Vector, b: Vector) -> float:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
