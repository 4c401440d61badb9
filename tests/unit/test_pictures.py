"""Contact sheets, strips, GIFs and curves: what is where in them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageSequence

from spiral.pictures import (
    PAPER,
    contact_sheet,
    save_learning_curve,
    save_painting_gif,
    save_png,
    side_by_side,
    strip,
)


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize("channels", [1, 3])
def test_every_picture_is_where_it_belongs(channels: int):
    images = noise(7, 8, 12, channels)
    sheet = np.asarray(contact_sheet(images, columns=3, scale=2, margin=5))
    assert sheet.shape == (3 * (16 + 5) + 5, 3 * (24 + 5) + 5, 3)
    for number in range(7):
        top, left = 5 + number // 3 * 21, 5 + number % 3 * 29
        tile = sheet[top : top + 16 : 2, left : left + 24 : 2]
        np.testing.assert_array_equal(tile, np.broadcast_to(images[number], (8, 12, 3)))
    assert tuple(sheet[-10, -10]) == PAPER  # the rest of the last row is empty


def test_alpha_is_shown_on_white():
    clear = np.zeros((1, 8, 8, 4), np.uint8)
    assert contact_sheet(clear, scale=1, margin=1).getpixel((4, 4)) == (255, 255, 255)


@pytest.mark.parametrize(
    ("images", "says"),
    [
        (np.zeros((0, 8, 8, 1), np.uint8), "with N ≥ 1"),
        (np.zeros((8, 8, 1), np.uint8), r"uint8 \[8, 8, 1\]"),
        (np.zeros((1, 8, 8, 1), np.float32), "float32"),
        (np.zeros((1, 8, 8, 2), np.uint8), "1, 3 or 4"),
    ],
)
def test_what_is_no_picture_is_refused(images: np.ndarray, says: str):
    with pytest.raises(ValueError, match=says):
        contact_sheet(images)


def test_columns_and_scale_have_a_least_value():
    with pytest.raises(ValueError, match="columns: 0"):
        contact_sheet(noise(1, 8, 8, 1), columns=0)
    with pytest.raises(ValueError, match="scale: 0"):
        contact_sheet(noise(1, 8, 8, 1), scale=0)


def test_sheets_stand_side_by_side_under_captions():
    dark, light = np.zeros((4, 8, 8, 1), np.uint8), np.full((4, 8, 8, 1), 255, np.uint8)
    whole = np.asarray(side_by_side({"painted": dark, "real": light}, columns=2, scale=8))
    half = whole.shape[1] // 2
    assert (whole[:, :half] == 0).all(axis=2).sum() >= 4 * 64 * 64
    assert (whole[:, half:] == 255).all(axis=2).sum() == 4 * 64 * 64
    assert (whole[:18] != np.array(PAPER)).any()  # something is written above


def test_a_strip_has_a_column_for_each_moment_even_a_fraction():
    moments = {label: noise(5, 8, 8, 1) for label in ("start", "¼", "½", "¾", "end")}
    sheet = strip(moments, scale=4)
    assert sheet.width == 5 * 40 + 4 * 16
    quarter, half = sheet.crop((56, 0, 96, 20)), sheet.crop((112, 0, 152, 20))
    assert quarter.tobytes() != half.tobytes()  # a font without these signs would draw the same box twice
    with pytest.raises(ValueError, match="all need the same number"):
        strip({"start": noise(5, 8, 8, 1), "end": noise(4, 8, 8, 1)})


def test_a_png_replaces_what_was_there_and_leaves_nothing_aside(tmp_path: Path):
    path = tmp_path / "deep" / "sheet.png"
    for size in (8, 16):
        save_png(contact_sheet(noise(1, size, size, 1), scale=1, margin=0), path)
        assert Image.open(path).size == (size, size)
    assert list(path.parent.iterdir()) == [path]


def test_a_gif_shows_each_stroke_and_holds_the_last(tmp_path: Path):
    path = tmp_path / "painting.gif"
    growing = np.full((5, 8, 8, 1), 255, np.uint8)
    for moment in range(5):
        growing[moment, : moment + 1] = 0
    save_painting_gif(path, [growing, growing[:3]], ms_per_frame=100, hold_ms=1500, scale=1)
    with Image.open(path) as gif:
        frames = [np.asarray(frame.convert("L")).copy() for frame in ImageSequence.Iterator(gif)]
        durations = [frame.info["duration"] for frame in ImageSequence.Iterator(gif)]
        assert gif.info["loop"] == 0
    assert durations == [100, 100, 100, 100, 1500]
    ink = [int((frame < 20).sum()) for frame in frames]
    assert ink == [16, 32, 48, 56, 64]  # the shorter one waits finished


@pytest.mark.parametrize("ms", [20, 25, 29, 125])
def test_a_gif_s_frames_end_when_they_should_to_the_step_that_it_can_store(tmp_path: Path, ms: int):
    save_painting_gif(tmp_path / "x.gif", [noise(9, 8, 8, 1)], ms_per_frame=ms, hold_ms=1004, scale=1)
    with Image.open(tmp_path / "x.gif") as gif:
        ends = np.cumsum([frame.info["duration"] for frame in ImageSequence.Iterator(gif)])
    right = np.array([*(ms * np.arange(1, 9)), 8 * ms + 1004])
    assert np.abs(ends - right).max() <= 5


def test_a_picture_that_stays_longer_than_a_gif_can_say_is_refused(tmp_path: Path):
    with pytest.raises(ValueError, match="stays for longer than 655 s"):
        save_painting_gif(tmp_path / "x.gif", [noise(1, 8, 8, 1).repeat(12, 0)], ms_per_frame=60_000)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("paintings", "ms", "says"),
    [
        ([], 100, "no painting"),
        ([noise(0, 8, 8, 1)], 100, "without frames"),
        ([noise(2, 8, 8, 1), noise(2, 9, 8, 1)], 100, "different shapes"),
        ([noise(2, 8, 8, 1)], 5, "5 ms is too short"),
    ],
)
def test_what_makes_no_gif_is_refused(tmp_path: Path, paintings: list[np.ndarray], ms: int, says: str):
    with pytest.raises(ValueError, match=says):
        save_painting_gif(tmp_path / "x.gif", paintings, ms_per_frame=ms)
    assert list(tmp_path.iterdir()) == []


def test_a_curve_is_drawn_from_whatever_is_recorded(tmp_path: Path):
    pytest.importorskip("matplotlib")
    records = [
        {
            "frames": 1000 * step,
            "minutes": step / 10,
            "score_real": 1.0,
            "score_painted": -1.0,
            "entropy": {"flag": 0.5},
        }
        for step in range(5)
    ]
    records.append({"frames": 5000, "lenet_fid": 50.0, "real_fid": 2.0, "score_real": float("nan")})
    save_learning_curve(tmp_path / "some.png", records, "a run")
    save_learning_curve(tmp_path / "one.png", [{"frames": 5000, "lenet_fid": 50.0}])
    with Image.open(tmp_path / "some.png") as some, Image.open(tmp_path / "one.png") as one:
        assert some.height > one.height  # three panels stand in two rows
    with pytest.raises(ValueError, match="none of the 1 records"):
        save_learning_curve(tmp_path / "none.png", [{"frames": 5000, "lenet_fid": None}])
