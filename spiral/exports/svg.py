"""SVG in millimeters with one Inkscape layer for each pen: for editors, printers and plotters."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from xml.sax.saxutils import escape, quoteattr

from spiral.exports.layers import Layer
from spiral.values.drawing import Drawing, Point, Stroke

DOT = "h0.01"
"""Length of a dot: many readers drop a line of length 0, and a round cap makes a dot of this one."""
COMMAND = {1: "L", 2: "Q", 3: "C"}
_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML cannot represent."""


def svg(drawing: Drawing, layers: Sequence[Layer], width_mm: float, metadata: str = "") -> str:
    """The drawing as an SVG file of that width. ``metadata``: text stored in the file, for example a program."""
    unit = width_mm / drawing.width
    width, height = _number(width_mm), _number(drawing.height * unit)
    paper = "" if drawing.paper is None else f' style="background:{_hex(drawing.paper)}"'
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:inkscape="http://www.inkscape.org/namespaces/inkscape" '
        f'width="{width}mm" height="{height}mm" viewBox="0 0 {width} {height}"{paper}>',
    ]
    if drawing.lost:
        lines.append(f" <desc>{_text(drawing.lost)}</desc>")
    if metadata:
        lines.append(f' <metadata><program xmlns="spiral-program">{_text(metadata)}</program></metadata>')
    for index, layer in enumerate(layers, start=1):
        label = quoteattr(_ILLEGAL.sub("�", f"{layer.number} {layer.pen} {_hex(layer.colour)}"))
        lines.append(
            f' <g inkscape:groupmode="layer" id="layer{index}" inkscape:label={label} fill="none" '
            f'stroke="{_hex(layer.colour)}" stroke-linecap="round" stroke-linejoin="round">'
        )
        lines += [f"  {_path(stroke, unit)}" for stroke in layer.strokes]
        lines.append(" </g>")
    return "\n".join([*lines, "</svg>", ""])


def _path(stroke: Stroke, unit: float) -> str:
    way = [f"M{_point(stroke.start, unit)}"]
    for before, segment in pairwise(((stroke.start,), *stroke.segments)):
        points = [_point(point, unit) for point in segment]
        # Equal as written, so a line too short for the written digits is a dot too.
        still = len(segment) == 1 and points[0] == _point(before[-1], unit)
        way.append(DOT if still else COMMAND[len(segment)] + " ".join(points))
    faint = f' stroke-opacity="{_number(stroke.opacity)}"' if stroke.opacity < 0.995 else ""
    return f'<path d="{"".join(way)}" stroke-width="{_number(stroke.width * unit)}"{faint}/>'


def _point(point: Point, unit: float) -> str:
    return f"{_number(point[0] * unit)},{_number(point[1] * unit)}"


def _number(value: float) -> str:
    """Four digits after the point: a ten thousandth of a millimeter."""
    return f"{round(value, 4) + 0.0:.4f}".rstrip("0").rstrip(".")  # + 0: no -0


def _hex(colour: tuple[int, int, int]) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)


def _text(text: str) -> str:
    return escape(_ILLEGAL.sub("�", text))
