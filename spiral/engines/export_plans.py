"""What an export of programs is asked for, and what it would do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from spiral.engines.programs import Program, shape_of

WIDTH_MM = 100.0
LARGEST_MM = 10_000.0
"""Ten meters: no plotter is wider."""
MS = 200


@dataclass(frozen=True, slots=True)
class Options:
    """How programs are exported; None where it is not said."""

    scale: int | None = None
    """Enlargement of the canvas; default 1."""
    every: int | None = None
    """Take the picture after every k-th action, and the last one; default: all in an animation, else the last only."""
    ms: int | None = None
    """Time of each picture in an animation, milliseconds; default MS."""
    sheet: bool | None = None
    """All pictures on one contact sheet."""
    transparent: bool | None = None
    """Strokes without paper under them."""
    width_mm: float | None = None
    """Of an SVG, up to LARGEST_MM; default WIDTH_MM."""
    optimise: bool | None = None
    """Order the strokes such that a plotter's lifted pen moves less."""

    def given(self) -> list[str]:
        """Names of those that are said."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return [name for name, value in values.items() if value is not None and value is not False]


@dataclass(frozen=True, slots=True)
class Plan:
    """An export that has not been done yet."""

    files: list[Path]
    write: Callable[[], str]
    """Write all of them, or none: a sentence on what they are. OSError where they can't be written."""


def only(programs: Sequence[Program], path: Path) -> Program:
    if len(programs) != 1:
        raise ValueError(f"programs: {len(programs)} make no {path.suffix}; expected one")
    return programs[0]


def common_shape(programs: Sequence[Program], scale: int, every: int | None) -> tuple[int, int, int, int]:
    """All pictures together: ``[frames, H, W, C]``."""
    shapes = [shape_of(program, scale, every) for program in programs]
    if len(different := {shape[1:] for shape in shapes}) > 1:
        sizes = " and ".join(f"{width}×{height}×{channels}" for height, width, channels in sorted(different))
        raise ValueError(f"programs: their canvases differ, {sizes}; expected those of one size")
    return (sum(shape[0] for shape in shapes), *shapes[0][1:])


def pictures_of(count: int, width: int, height: int) -> str:
    return f"{count_of(count, 'picture')} of {width}×{height}"


def count_of(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
