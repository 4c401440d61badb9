"""Pictures as strokes of pens: what vector formats and plotters take."""

from __future__ import annotations

from dataclasses import dataclass

Point = tuple[float, float]
"""x to the right, y down, pixels of the canvas."""
Segment = tuple[Point, ...]
"""From where the one before ends: its end alone for a line, the control points of a Bézier curve before it."""


@dataclass(frozen=True, slots=True)
class Stroke:
    """A line of one pen, with round ends."""

    start: Point
    segments: tuple[Segment, ...]
    """At least one, each a line (1 point), or a quadratic (2) or cubic (3) Bézier curve."""
    width: float
    """Pixels."""
    colour: tuple[int, int, int]
    """Red, green, blue, 0…255."""
    opacity: float
    """Up to 1."""
    pen: str
    """Strokes of one pen have one name, for example ``size 2``."""

    @property
    def end(self) -> Point:
        """Where the pen is lifted."""
        return self.segments[-1][-1]

    def points(self) -> list[Point]:
        """All points; the convex hull of them contains the line."""
        return [self.start, *(point for segment in self.segments for point in segment)]

    def reversed(self) -> Stroke:
        """The same line from its end."""
        way = self.points()[::-1]
        segments, at = [], 1
        for segment in self.segments[::-1]:
            segments.append(tuple(way[at : at + len(segment)]))
            at += len(segment)
        return Stroke(way[0], tuple(segments), self.width, self.colour, self.opacity, self.pen)


@dataclass(frozen=True, slots=True)
class Drawing:
    """A picture as strokes, in the order in which they are painted."""

    width: int
    height: int
    """Pixels."""
    strokes: tuple[Stroke, ...]
    paper: tuple[int, int, int] | None = (255, 255, 255)
    """What lies under the strokes; None: nothing."""
    lost: str = ""
    """What of the picture strokes can't show, as a sentence."""
