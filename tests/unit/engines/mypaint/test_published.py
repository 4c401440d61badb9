"""The engine against the published environment, which is written out again here, slowly, over libmypaint's C API.

Nothing is shared with the engine: libmypaint is called through ctypes, one canvas and one call at a time, on the
library's own surface; a brush is parsed from its file for each episode; pixels are converted with NumPy. Facts from
google-deepmind/spiral: docs/method.md, 4.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import itertools
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from spiral.engines.mypaint import MyPaint
from spiral.engines.mypaint.brushes import find_brush

FLOAT, DOUBLE, INT, POINTER = ctypes.c_float, ctypes.c_double, ctypes.c_int, ctypes.c_void_p
ONE = 1 << 15
DTIME = float(np.float32(0.1))


class TileRequest(ctypes.Structure):
    _fields_ = (
        ("tx", INT),
        ("ty", INT),
        ("readonly", INT),
        ("buffer", ctypes.POINTER(ctypes.c_uint16)),
        ("context", POINTER),
        ("thread_id", INT),
        ("mipmap_level", INT),
    )


def load_library() -> ctypes.CDLL:
    library = ctypes.CDLL(ctypes.util.find_library("mypaint-1.5") or "libmypaint-1.5.so.1")
    signatures: dict[str, tuple[object, list[object]]] = {
        "mypaint_brush_new": (POINTER, []),
        "mypaint_brush_unref": (None, [POINTER]),
        "mypaint_brush_reset": (None, [POINTER]),
        "mypaint_brush_new_stroke": (None, [POINTER]),
        "mypaint_brush_from_string": (INT, [POINTER, ctypes.c_char_p]),
        "mypaint_brush_set_base_value": (None, [POINTER, INT, FLOAT]),
        "mypaint_brush_setting_from_cname": (INT, [ctypes.c_char_p]),
        "mypaint_brush_stroke_to": (INT, [POINTER, POINTER, FLOAT, FLOAT, FLOAT, FLOAT, FLOAT, DOUBLE]),
        "mypaint_fixed_tiled_surface_new": (POINTER, [INT, INT]),
        "mypaint_fixed_tiled_surface_interface": (POINTER, [POINTER]),
        "mypaint_surface_unref": (None, [POINTER]),
        "mypaint_surface_draw_dab": (INT, [POINTER, *12 * [FLOAT]]),
        "mypaint_surface_begin_atomic": (None, [POINTER]),
        "mypaint_surface_end_atomic": (None, [POINTER, POINTER]),
        "mypaint_tile_request_init": (None, [POINTER, INT, INT, INT, INT]),
        "mypaint_tiled_surface_tile_request_start": (None, [POINTER, POINTER]),
        "mypaint_tiled_surface_tile_request_end": (None, [POINTER, POINTER]),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


class Surface:
    """libmypaint's own fixed surface, its pixels set to a legal color."""

    def __init__(self, library: ctypes.CDLL, height: int, width: int, background: int) -> None:
        self.library, self.shape = library, (height, width)
        self.pointer = library.mypaint_fixed_tiled_surface_interface(
            library.mypaint_fixed_tiled_surface_new(width, height)
        )
        for row in range(height // 64):
            for column in range(width // 64):
                self.tile(row, column)[:] = background

    def tile(self, row: int, column: int) -> np.ndarray:
        """View of the pixels [64, 64, RGBA]; the fixed surface hands out its memory itself."""
        request = TileRequest()
        self.library.mypaint_tile_request_init(ctypes.byref(request), 0, column, row, 0)
        self.library.mypaint_tiled_surface_tile_request_start(self.pointer, ctypes.byref(request))
        pixels = np.ctypeslib.as_array(request.buffer, (64, 64, 4))
        self.library.mypaint_tiled_surface_tile_request_end(self.pointer, ctypes.byref(request))
        return pixels

    def picture(self) -> np.ndarray:
        """Un-premultiplied with rounding, then 15 to 8 bits with rounding: uint8 [H, W, 4]."""
        height, width = self.shape
        rows = [np.concatenate([self.tile(r, c) for c in range(width // 64)], 1) for r in range(height // 64)]
        pixels = np.concatenate(rows, 0).astype(np.uint32)
        alpha = pixels[..., 3:]
        straight = np.where(alpha == 0, 0, ((pixels[..., :3] << 15) + alpha // 2) // np.maximum(alpha, 1))
        return ((255 * np.concatenate([straight, alpha], 2) + ONE // 2) // ONE).astype(np.uint8)


def hsv(red: float, green: float, blue: float) -> tuple[float, float, float]:
    largest, smallest = max(red, green, blue), min(red, green, blue)
    delta = largest - smallest
    if delta <= 0.0001:
        return 0.0, 0.0, largest
    if red == largest:
        hue = (green - blue) / delta % 6 if green >= blue else (green - blue) / delta + 6
    elif green == largest:
        hue = 2 + (blue - red) / delta
    else:
        hue = 4 + (red - green) / delta
    return hue / 6, delta / largest, largest


class Published:
    """One episode of the published environment on one canvas."""

    def __init__(self, settings: dict[str, object]) -> None:
        self.library = load_library()
        engine = MyPaint.from_settings(settings)
        self.settings, self.names = engine.settings, engine.spec.names
        self.log_sizes = [np.log(float(size)) for size in self.settings.brush_sizes]
        height, width = self.settings.canvas_size
        background = ONE if self.settings.background == "white" else 0
        self.surface = Surface(self.library, height, width, background)
        self.brush = self.library.mypaint_brush_new()
        text = find_brush(self.settings.brush).read_bytes()
        assert self.library.mypaint_brush_from_string(self.brush, text)
        self.y = self.x = 0.0
        self.pressure, self.is_painting = 0.0, False
        self.move_to(0.0, 0.0)
        self.set_base(radius_logarithmic=self.log_sizes[0], color_h=0.0, color_s=0.0, color_v=0.0)

    def close(self) -> None:
        self.library.mypaint_brush_unref(self.brush)
        self.library.mypaint_surface_unref(self.surface.pointer)

    def set_base(self, **values: float) -> None:
        for name, value in values.items():
            setting = self.library.mypaint_brush_setting_from_cname(name.encode())
            self.library.mypaint_brush_set_base_value(self.brush, setting, value)

    def stroke_to(self, x: float, y: float, pressure: float) -> None:
        self.library.mypaint_brush_stroke_to(self.brush, self.surface.pointer, x, y, pressure, 0.0, 0.0, DTIME)

    def move_to(self, y: float, x: float) -> None:
        self.library.mypaint_brush_reset(self.brush)
        self.library.mypaint_brush_new_stroke(self.brush)
        self.stroke_to(x, y, 0.0)

    def pixel(self, place: int) -> tuple[float, float]:
        (height, width), grid = self.settings.canvas_size, self.settings.grid
        row, column = np.unravel_index(place, (grid, grid))
        return height * float(row) / grid, width * float(column) / grid

    def step(self, values: Sequence[int]) -> np.ndarray:
        action = dict(zip(self.names, values, strict=True))
        y_end, x_end = self.pixel(action["end"])
        self.library.mypaint_surface_begin_atomic(self.surface.pointer)
        if action["flag"] == 1:
            self.paint(action, y_end, x_end)
        else:
            self.y, self.x, self.is_painting = y_end, y_end if self.settings.legacy_move else x_end, False
            self.move_to(y_end, x_end)
        self.library.mypaint_surface_end_atomic(self.surface.pointer, None)
        return self.surface.picture()

    def paint(self, action: dict[str, int], y_end: float, x_end: float) -> None:
        pressure = float(np.linspace(0.1, 1.0, 10)[action["pressure"]]) if "pressure" in action else 1.0
        self.set_base(radius_logarithmic=self.log_sizes[action.get("size", 0)])
        if "red" in action:
            red, green, blue = (float(np.linspace(0.0, 1.0, 20)[action[name]]) for name in ("red", "green", "blue"))
            hue, saturation, value = hsv(red, green, blue)
            self.set_base(color_h=hue, color_s=saturation, color_v=value)
        start, control, end = (np.array(p) for p in ((self.y, self.x), self.pixel(action["control"]), (y_end, x_end)))
        start_pressure = self.pressure if self.is_painting else pressure
        t = np.linspace(0.0, 1.0, 51)[:, None]
        points = (1 - t) * (1 - t) * start + 2 * (1 - t) * t * control + t * t * end
        if not self.is_painting:
            self.stroke_to(start[1], start[0], start_pressure)
        for i in range(50):
            share = float(i + 1) / 50
            self.stroke_to(points[i + 1][1], points[i + 1][0], start_pressure * (1.0 - share) + pressure * share)
        self.y, self.x, self.pressure, self.is_painting = y_end, x_end, pressure, True


def random_actions(engine: MyPaint, length: int, batch: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    actions = np.stack([rng.integers(0, size, (length, batch)) for size in engine.spec.sizes], -1)
    actions[..., 0] = rng.random((length, batch)) < 0.75
    return actions.astype(np.int32)


def assert_same_pictures(settings: dict[str, object], episodes: int = 3, length: int = 8, seed: int = 1) -> None:
    engine = MyPaint.from_settings(settings)
    actions = random_actions(engine, length, episodes, seed)
    channels = engine.canvas_shape[2]
    with engine.open(episodes, threads=2) as canvases:
        ours = [canvases.reset(), *(canvases.step(action) for action in actions)]
    for episode in range(episodes):
        published = Published(settings)
        for step in range(length + 1):
            if step:
                picture = published.step(actions[step - 1, episode].tolist())[..., :channels]
            else:
                picture = published.surface.picture()[..., :channels]
            np.testing.assert_array_equal(ours[step][episode], picture, f"episode {episode}, after {step} actions")
        published.close()
    assert (ours[-1] != ours[0]).any(), "nothing was painted, so nothing was compared"


BRUSHES = ("classic/pen", "classic/dry_brush", "classic/charcoal", "classic/pencil")


@pytest.mark.parametrize("brush", BRUSHES)
@pytest.mark.parametrize("legacy_move", [False, True])
def test_grey_paintings_are_the_published_ones(brush: str, legacy_move: bool) -> None:
    assert_same_pictures({"brush": brush, "brush_sizes": [1, 2, 4, 8, 12, 24], "legacy_move": legacy_move})


@pytest.mark.parametrize("brush", BRUSHES)
@pytest.mark.parametrize("background", ["white", "transparent"])
def test_colour_paintings_with_alpha_are_the_published_ones(brush: str, background: str) -> None:
    assert_same_pictures(
        {"brush": brush, "brush_sizes": [2, 6], "colour": True, "alpha": True, "background": background}
    )


@pytest.mark.parametrize("brush", ["classic/pen", "classic/dry_brush"])
def test_colour_paintings_without_alpha_pressure_and_size_are_the_published_ones(brush: str) -> None:
    for background in ("white", "transparent"):
        assert_same_pictures(
            {"brush": brush, "brush_sizes": [3], "colour": True, "pressure": False, "background": background}, 2
        )


def test_other_grids_and_larger_and_oblong_canvases_follow_the_same_rules() -> None:
    assert_same_pictures({"brush": "classic/dry_brush", "grid": 4, "brush_sizes": [2, 30], "canvas": [128, 192]}, 2)
    assert_same_pictures({"brush": "classic/pen", "grid": 63, "brush_sizes": [0.5, 70], "canvas": [192, 64]}, 2)


@pytest.mark.parametrize("brush", ["classic/calligraphy", "deevad/2B_pencil", "classic/kabura", "classic/rounded"])
def test_any_brush_of_the_pack_paints_as_published(brush: str) -> None:
    assert_same_pictures({"brush": brush, "brush_sizes": [2, 5], "colour": True}, 2)


def test_grey_ink_that_colorizes_takes_the_colour_away_as_published_but_for_rounding(tmp_path: Path) -> None:
    # The guard draws such dabs another way. These grays are ones whose luminance libmypaint rounds to themselves.
    brush = json.loads(find_brush("classic/pen").read_text())
    brush["settings"] |= {name: {"base_value": 0.4, "inputs": {}} for name in ("colorize", "lock_alpha")}
    path = tmp_path / "colorizing.myb"
    path.write_text(json.dumps(brush))
    settings = {"brush": str(path), "brush_sizes": [6], "colour": True}
    strokes = [
        [1, 1000, 40, 9, 19, 2, 0],
        [1, 31, 500, 9, 0, 12, 7],
        [1, 900, 5, 9, 9, 9, 9],
        [1, 700, 100, 9, 4, 4, 4],
    ]
    published = Published(settings)
    with MyPaint.from_settings(settings).open(1) as canvases:
        for stroke in strokes:
            ours = canvases.step(np.array([stroke], dtype=np.int32))[0].astype(int)
            theirs = published.step(stroke)[..., :3].astype(int)
            np.testing.assert_allclose(ours, theirs, atol=1)
    published.close()
    assert np.ptp(ours, axis=2).max() > 60


def test_a_brush_that_picks_up_colour_paints_as_published_inside_the_canvas() -> None:
    # libmypaint's own surface reads white of twice the legal value beyond its border; the published one does not.
    # So this comparison stays where no tile beyond the border is read.
    settings: dict[str, object] = {"brush": "classic/smudge+paint", "brush_sizes": [3.0], "colour": True, "grid": 8}
    engine = MyPaint.from_settings({**settings, "canvas": 128})
    actions = random_actions(engine, 10, 1, 5)
    for name in ("end", "control"):
        column = engine.spec.index(name)
        rows, columns = actions[..., column] // 8, actions[..., column] % 8
        actions[..., column] = 8 * (3 + rows % 3) + 3 + columns % 3
    actions[0, :, 0] = 0
    published = Published({**settings, "canvas": 128})
    with engine.open(1) as canvases:
        for action in actions:
            np.testing.assert_array_equal(canvases.step(action)[0], published.step(action[0].tolist())[..., :3])
    published.close()


def dab_ink(library: ctypes.CDLL, radius: float, hardness: float) -> float:
    """Ink of one dab over that of the same dab's shape, mean over places between pixels."""
    shares = np.linspace(0, 1, 5, endpoint=False)
    ink = []
    for x, y in itertools.product(32 + shares, 32 + shares):
        surface = Surface(library, 64, 64, 0)
        library.mypaint_surface_begin_atomic(surface.pointer)
        library.mypaint_surface_draw_dab(surface.pointer, x, y, radius, 1, 1, 1, 1, hardness, 1, 1, 0, 0, 0)
        library.mypaint_surface_end_atomic(surface.pointer, None)
        ink.append(surface.tile(0, 0)[..., 3].sum() / ONE)
        library.mypaint_surface_unref(surface.pointer)
    return float(np.mean(ink)) / (np.pi * radius**2)


def test_dabs_of_less_than_3_pixels_have_more_ink_than_their_shape() -> None:
    """docs/method.md, 4: why a picture has less ink on a larger canvas."""
    library = load_library()
    hardness = json.loads(find_brush("classic/pen").read_text())["settings"]["hardness"]["base_value"]
    large = dab_ink(library, 20, hardness)
    found = [dab_ink(library, radius, hardness) / large for radius in (1, 2.99, 3)]
    assert found == pytest.approx([1.6, 1.2, 1.0], abs=0.04)
