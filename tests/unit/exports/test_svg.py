"""SVG files: their units, their paths, and what they keep."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from spiral.exports.layers import layers
from spiral.exports.svg import svg
from spiral.values.drawing import Drawing, Segment, Stroke

SVG, INKSCAPE = "{http://www.w3.org/2000/svg}", "{http://www.inkscape.org/namespaces/inkscape}"


def stroke(*segments: Segment, opacity: float = 1.0, pen: str = "size 2") -> Stroke:
    return Stroke((0, 0), segments, 4.0, (16, 0, 255), opacity, pen)


def written(*strokes: Stroke, lost: str = "", metadata: str = "", width_mm: float = 128) -> ElementTree.Element:
    drawing = Drawing(64, 32, strokes, lost=lost)
    return ElementTree.fromstring(svg(drawing, layers(drawing), width_mm, metadata))


def paths(root: ElementTree.Element) -> list[str]:
    return [path.attrib["d"] for path in root.iter(f"{SVG}path")]


def test_it_is_in_millimeters() -> None:
    root = written(stroke(((64, 32),)))
    assert (root.attrib["width"], root.attrib["height"], root.attrib["viewBox"]) == ("128mm", "64mm", "0 0 128 64")
    assert paths(root) == ["M0,0L128,64"]
    assert next(root.iter(f"{SVG}path")).attrib["stroke-width"] == "8"
    third = written(stroke(((64, 32),)), width_mm=100 / 3)
    assert third.attrib["viewBox"] == "0 0 33.3333 16.6667"


def test_each_stroke_is_one_path_of_the_curves_that_it_is() -> None:
    curve = stroke(((1, 2), (3, 4)), ((5, 6), (7, 8), (9, 10)), ((11, 12),))
    assert paths(written(curve)) == ["M0,0Q2,4 6,8C10,12 14,16 18,20L22,24"]


def test_what_returns_is_a_line_and_what_stays_is_a_dot() -> None:
    text = " ".join(paths(written(stroke(((20, 10), (0, 0))), stroke(((0, 0), (0, 0))), stroke(((0.00001, 0),)))))
    assert text == "M0,0L20,10 M0,0h0.01 M0,0h0.01"
    assert "Z" not in text


def test_a_pen_is_an_inkscape_layer_with_round_ends_and_no_group_around_it() -> None:
    root = written(stroke(((1, 1),)), stroke(((30, 30),), pen="size 8"), stroke(((2, 2),), opacity=0.5))
    groups = root.findall(f"{SVG}g")
    assert len(groups) == len(list(root.iter(f"{SVG}g"))) == 2
    assert [group.attrib[f"{INKSCAPE}groupmode"] for group in groups] == ["layer", "layer"]
    assert [group.attrib[f"{INKSCAPE}label"] for group in groups] == ["1 size 2 #1000ff", "2 size 8 #1000ff"]
    for group in groups:
        assert (group.attrib["fill"], group.attrib["stroke"]) == ("none", "#1000ff")
        assert group.attrib["stroke-linecap"] == group.attrib["stroke-linejoin"] == "round"
    assert [path.attrib.get("stroke-opacity") for path in groups[0]] == [None, "0.5"]


@pytest.mark.parametrize("text", ['{"a": "<&>\\"]]>"}', "é", "\x00\ud800\ufffe"])
def test_any_text_can_be_kept(text: str) -> None:
    root = written(stroke(((1, 1),)), lost=text, metadata=text)
    legal = re.sub("[\x00\ud800\ufffe]", "\ufffd", text)
    assert root.findtext(f"{SVG}desc") == legal
    assert root.findtext(f"{SVG}metadata/{{spiral-program}}program") == legal


def test_paper_is_no_shape_that_a_plotter_would_draw() -> None:
    assert written().attrib["style"] == "background:#ffffff"
    drawing = Drawing(64, 32, (), paper=None)
    assert "background" not in svg(drawing, [], 10)
