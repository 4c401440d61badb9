"""MP4 files: as many frames as were asked for, in the colors that were painted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from spiral.exports.mp4 import enlargement, save_mp4

COLOURS = [(255, 255, 255), (0, 0, 0), (200, 30, 40), (20, 160, 60), (30, 60, 220), (240, 200, 20)]


def test_pictures_are_enlarged_by_the_least_whole_number_that_shows_every_pixel() -> None:
    assert enlargement(64, 64, 1) == 4
    assert enlargement(63, 64, 1) == 4
    assert enlargement(64, 64, 2) == 2
    assert enlargement(64, 64, 3) == 2
    assert enlargement(64, 64, 8) == 1
    assert enlargement(63 * 5, 64 * 5, 5) == 2


@pytest.mark.parametrize(("ms", "frames"), [(200, 5 + 10), (40, 5 + 50), (3000, 5 + 1), (333, 5 + 6)])
def test_frames_come_at_one_rate_and_the_last_one_is_repeated(ms: int, frames: int, tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    images = [Image.new("RGB", (17, 9), colour) for colour in COLOURS]
    path = tmp_path / "x.mp4"
    assert save_mp4(path, iter(images), ms, 4) == frames
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height, stream.pix_fmt) == (68, 36, "yuv420p")
        assert float(stream.average_rate) == pytest.approx(1000 / ms)
        context = stream.codec_context
        assert (context.colorspace, context.color_primaries, context.color_trc, context.color_range) == (1, 1, 13, 1)
        shown = list(container.decode(video=0))
    assert len(shown) == frames
    times_s = np.array([frame.time for frame in shown])
    np.testing.assert_allclose(np.diff(times_s), ms / 1000, rtol=1e-3)
    for frame, colour in zip(shown, COLOURS, strict=False):
        seen = frame.to_ndarray(format="rgb24")
        assert np.abs(seen.astype(int) - colour).max() <= 6
    assert path.read_bytes().count(b"mdat") == 1


def test_a_hold_that_is_over_at_once_still_shows_the_picture(tmp_path: Path) -> None:
    pytest.importorskip("av")
    assert save_mp4(tmp_path / "x.mp4", [Image.new("RGB", (16, 16))], 100, 1, hold_ms=1) == 1
