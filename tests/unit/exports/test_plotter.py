"""What vpype makes of an SVG for a plotter: layers, lengths, and which way up."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from spiral.exports.layers import layers
from spiral.exports.svg import svg
from spiral.values.drawing import Drawing, Point, Stroke

PAGE_MM = 100
UNITS_PER_MM = 1 / 0.02488
"""Of the HP 7475A."""


def stroke(start: Point, *points: Point, colour: tuple[int, int, int] = (0, 0, 0)) -> Stroke:
    return Stroke(start, (points,), 1.0, colour, 1.0, "size 1")


DOWN, RIGHT = stroke((20, 20), (20, 80)), stroke((20, 80), (60, 80))
DOT, RED = stroke((70, 20), (70, 20)), stroke((30, 30), (35, 30), (40, 40), colour=(255, 0, 0))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """An L that is 60 mm high and 40 mm wide, a dot, and a curve of another color."""
    drawing = Drawing(PAGE_MM, PAGE_MM, (DOWN, RIGHT, DOT, RED))
    path = tmp_path / "l.svg"
    path.write_text(svg(drawing, layers(drawing), PAGE_MM))
    return path


@pytest.mark.parametrize("split", ["", "--attr stroke"])
def test_a_pen_is_a_layer_and_nothing_is_lost(split: str, file: Path) -> None:
    vpype = pytest.importorskip("vpype")
    execute = pytest.importorskip("vpype_cli").execute
    read = execute(f"read --no-crop {split} '{file}'")
    assert {number: len(layer) for number, layer in read.layers.items()} == {1: 3, 2: 1}
    assert read.page_size == pytest.approx([vpype.convert_length(f"{PAGE_MM}mm")] * 2)


def pen_moves_mm(hpgl: str) -> list[tuple[bool, NDArray[np.float64]]]:
    """Whether the pen is down, and by how much it moves, x to the right and y up."""
    moves, relative, at = [], False, np.zeros(2)
    for command, numbers in re.findall(r"(P[UDAR])([-0-9,]*);", hpgl):
        relative = {"PR": True, "PA": False}.get(command, relative)
        for pair in np.array([int(number) for number in numbers.split(",") if number]).reshape(-1, 2):
            moves.append((command == "PD", (pair if relative else pair - at) / UNITS_PER_MM))
            at = at + pair if relative else pair
    return moves


@pytest.mark.parametrize(("orientation", "down", "right"), [("--landscape", (0, -1), (1, 0)), ("", (1, 0), (0, 1))])
def test_an_l_is_as_long_as_it_is_drawn_and_the_right_way_up(
    orientation: str, down: Point, right: Point, file: Path, tmp_path: Path
) -> None:
    """In portrait the plotter lays the page on its side, turned by a quarter and not mirrored."""
    execute = pytest.importorskip("vpype_cli").execute
    out = tmp_path / "l.hpgl"
    page = f"--device hp7475a --page-size a4 {orientation}"
    execute(f"read --no-crop '{file}' layout {orientation} a4 write {page} '{out}'")
    drawn = [move for pen_down, move in pen_moves_mm(out.read_text()) if pen_down and np.hypot(*move) > 0.1]
    np.testing.assert_allclose(drawn[0], np.multiply(60, down), atol=0.1)
    np.testing.assert_allclose(drawn[1], np.multiply(40, right), atol=0.1)
