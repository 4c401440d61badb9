"""Programs as strokes of pens: the same picture as the painted one, in renderers that are not ours."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from spiral.engines import create
from spiral.engines.programs import Program, render
from spiral.exports.layers import layers
from spiral.exports.svg import svg

SIDE = 512
PEN: dict[str, Any] = {"grid": 16, "brush_sizes": [1, 2, 4]}
SETTINGS: dict[str, dict[str, Any]] = {
    "pen": PEN,
    "broad": {"grid": 16, "brush_sizes": [8]},
    "color": {"grid": 32, "brush_sizes": [1, 2, 4], "colour": True},
    "compound": {**PEN, "interface": "compound"},
    "legacy": {**PEN, "legacy_move": True},
}


LEAST = {"broad": 0.93}
"""Correlation of pictures whose strokes are a third of the canvas wide: the brush's lag and its pressure show there."""


def program(settings: Mapping[str, Any], seed: int, length: int = 14) -> Program:
    spec = create("mypaint", settings).spec
    generator = np.random.default_rng(seed)
    actions = np.stack([generator.integers(0, size, length) for size in spec.sizes], -1)
    actions[:, 0] = generator.random(length) < (0.3 if "interface" in settings else 0.7)
    actions[-1, 0] = 1
    return Program("mypaint", settings, actions)


def drawn(made: Program) -> str:
    drawing = create(made.engine, made.settings).drawing(made.actions)
    assert drawing is not None
    return svg(drawing, layers(drawing), 100)


def by_resvg(text: str) -> bytes:
    resvg = pytest.importorskip("resvg_py")
    return bytes(resvg.svg_to_bytes(svg_string=text, width=SIDE, dpi=96, background="white"))


def by_cairo(text: str) -> bytes:
    try:
        import cairosvg  # noqa: PLC0415
    except (ImportError, OSError) as error:  # OSError without the system's cairo
        pytest.skip(f"could not import cairosvg: {error}")
    png: bytes = cairosvg.svg2png(
        bytestring=text.encode(), output_width=SIDE, output_height=SIDE, background_color="white"
    )
    return png


def seen(png: bytes) -> NDArray[np.float64]:
    with Image.open(io.BytesIO(png)) as picture:
        return np.asarray(picture.convert("RGB")).astype(np.float64)


def correlation(made: Program, renderer: Any) -> float:
    painted = render(made, SIDE // 64)[0].astype(np.float64)
    other = seen(renderer(drawn(made)))
    return float(np.corrcoef(np.broadcast_to(painted, other.shape).ravel(), other.ravel())[0, 1])


@pytest.mark.parametrize("renderer", [by_resvg, by_cairo])
@pytest.mark.parametrize("name", SETTINGS)
def test_a_pen_program_looks_as_painted(name: str, renderer: Any) -> None:
    alike = [correlation(program(SETTINGS[name], seed), renderer) for seed in (1, 2)]
    assert np.mean(alike) >= LEAST.get(name, 0.95)


@pytest.mark.parametrize("renderer", [by_resvg, by_cairo])
def test_a_stroke_that_returns_to_its_start_is_there(renderer: Any) -> None:
    actions = np.array([[0, 33, 0, 0, 9], [1, 33, 222, 0, 9], [0, 204, 0, 0, 9], [1, 204, 210, 0, 9]])
    assert correlation(Program("mypaint", {"grid": 16}, actions), renderer) >= 0.95


def test_narrow_strokes_are_the_curves_that_the_actions_name() -> None:
    actions = np.array([[0, 17, 0, 0, 9], [1, 40, 100, 0, 9], [1, 40, 40, 0, 9], [1, 200, 9, 0, 4]], np.int32)
    drawing = create("mypaint", {"grid": 16, "canvas": [64, 128]}).drawing(actions)
    assert drawing is not None
    assert (drawing.width, drawing.height, drawing.paper, drawing.lost) == (128, 64, (255, 255, 255), "")
    first, last = drawing.strokes[0], drawing.strokes[-1]
    assert (first.start, first.segments) == ((8, 4), (((32, 24), (64, 8)),))
    assert last.start == first.end
    assert (first.colour, first.opacity, first.pen, last.pen) == ((0, 0, 0), pytest.approx(1), "size 1", "size 1")
    assert 1 < first.width < 2 * 2


def test_the_width_is_that_of_the_painted_line_at_any_scale() -> None:
    engine = create("mypaint", {"grid": 4, "canvas": 256, "brush_sizes": [1.5, 4.0], "pressure": False})
    actions = np.array([[0, 4, 0, 1], [1, 7, 5, 1]], np.int32)
    for scale in (1, 4):
        drawing = engine.scaled(scale).drawing(actions)
        assert drawing is not None
        canvases = engine.scaled(scale).open(1)
        canvases.reset(np.zeros(1, np.int64))
        for action in actions:
            canvases.step(action[None])
        column = canvases.canvas()[0, :, 96 * scale, 0]
        assert drawing.strokes[0].width == pytest.approx((255.0 - column).sum() / 255, rel=0.05)


@pytest.mark.parametrize(
    ("brush", "said"),
    [("classic/pen", ""), ("classic/charcoal", "texture .*offset_by_random"), ("deevad/spray", "texture")],
)
def test_a_brush_with_a_texture_is_told_of(brush: str, said: str) -> None:
    drawing = create("mypaint", {"brush": brush, "grid": 16}).drawing(program({"grid": 16}, 0).actions)
    assert drawing is not None
    assert bool(drawing.lost) == bool(said)
    if said:
        assert f'the brush "{brush}" has a texture (' in drawing.lost


def test_ink_has_its_color_and_paper_the_canvas() -> None:
    settings = {"grid": 8, "colour": True, "background": "transparent"}
    actions = np.array([[1, 63, 7, 1, 9, 19, 0, 10]], np.int32)
    drawing = create("mypaint", settings).drawing(actions)
    assert drawing is not None
    assert drawing.paper == (0, 0, 0)
    assert drawing.strokes[0].colour == (255, 0, 134)
    clear = create("mypaint", {**settings, "alpha": True}).drawing(actions)
    assert clear is not None
    assert clear.paper is None


def test_a_very_long_spline_is_drawn() -> None:
    engine = create("mypaint", {**PEN, "interface": "compound"})
    generator = np.random.default_rng(0)
    actions = np.stack([generator.integers(0, size, 500) for size in engine.spec.sizes], -1).astype(np.int32)
    actions[:, 0] = [1, *[0] * 498, 1]
    drawing = engine.drawing(actions)
    assert drawing is not None
    assert len(drawing.strokes) == 1
    assert len(drawing.strokes[0].segments) > 400
