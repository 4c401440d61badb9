"""Large canvases stroke by stroke: what a stroke is said to change it does change, and the error falls."""

from __future__ import annotations

import numpy as np
import pytest

from spiral.engines.programs import render
from spiral.evaluation.targets import mse
from spiral.models import find_model
from spiral.models.loading import load_painter
from spiral.models.trained import Trained
from spiral.reconstruction.photos import PhotoPainter, canvas_of, paint_photo


@pytest.fixture(name="faces", scope="module")
def _faces() -> Trained:
    return load_painter(find_model("faces-reconstruct"))


def halves(height: int, width: int) -> np.ndarray:
    """Orange beside blue, with a green square in the middle."""
    picture = np.empty((height, width, 3), np.uint8)
    picture[:, : width // 2], picture[:, width // 2 :] = (230, 140, 40), (40, 60, 160)
    picture[height // 3 : height // 2, width // 3 : width // 2] = (60, 160, 60)
    return picture


@pytest.mark.parametrize(
    ("picture", "canvas"),
    [
        ((512, 512), (512, 512)),
        ((300, 451), (256, 384)),
        ((400, 600), (256, 384)),
        ((20, 20), (64, 64)),
        ((4000, 3000), (512, 384)),
        ((100, 3000), (64, 512)),
    ],
)
def test_the_canvas_has_nearly_the_shape_of_the_picture(picture: tuple[int, int], canvas: tuple[int, int]) -> None:
    assert canvas_of(*picture, 64) == canvas


def test_a_stroke_changes_what_it_was_said_to_change(faces: Trained) -> None:
    painter = PhotoPainter(faces, halves(128, 128), seed=0)
    for _ in range(7):
        expected, error = painter.best().loss, painter.mse
        assert painter.advance()
        changed = (painter.mse - error) * 64 * 64 * 3
        assert changed <= 0.8 * expected, "changes may make it better than that, not worse"


def test_a_photo_is_painted_within_its_budget_and_replays(faces: Trained) -> None:
    said: list[float] = []
    photo = paint_photo(faces, halves(140, 200), 30, seed=0, say=said.append)
    assert photo.change == "200×140 → 256×192, cut about its center and scaled"
    assert photo.target.shape == photo.canvas.shape == (192, 256, 3)
    assert photo.strokes == 30 == len(said)
    assert said[-1] == 1
    assert photo.program.settings["grid"] == [192, 256]
    assert photo.program.canvas == (192, 256, 3)
    assert photo.program.digests
    again = render(photo.program)
    np.testing.assert_array_equal(again[0], photo.canvas)
    assert photo.mse == mse(again, photo.target[None])[0]
    assert photo.mse < mse(np.full_like(photo.target[None], 255), photo.target[None])[0] / 20
    assert photo.program == paint_photo(faces, halves(140, 200), 30, seed=0).program
    larger = render(photo.program, scale=2)
    assert larger.shape == (1, 384, 512, 3)


def test_a_drawing_in_black_ends_when_no_stroke_helps() -> None:
    letters = load_painter(find_model("omniglot-reconstruct"))
    drawing = np.full((64, 128, 1), 255, np.uint8)
    drawing[30:33, 20:110] = 0
    photo = paint_photo(letters, drawing, 50, seed=0)
    assert 0 < photo.strokes < 50
    assert photo.mse < mse(np.full_like(photo.target[None], 255), photo.target[None])[0] / 3
    blank = paint_photo(letters, np.full((64, 64, 1), 255, np.uint8), 50, seed=0)
    assert (blank.strokes, blank.mse) == (0, 0)
