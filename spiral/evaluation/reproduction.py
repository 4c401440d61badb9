"""How well paintings reproduce their targets: errors, similarity, and the error stroke by stroke."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spiral.engines import Engine
from spiral.evaluation.bootstrap import Estimate, estimate_mean, weights_of
from spiral.evaluation.report import Figure
from spiral.evaluation.stroke_curve import errors_by_stroke
from spiral.evaluation.targets import SSIM_WINDOW, mse, ssim

WHITE = 255
# This many paintings are repainted to see each stroke; more would make the curve smoother than anyone can see.
MOST_FOLLOWED = 1_024


def reproduction(
    views: NDArray[np.uint8], targets: NDArray[np.uint8], seed: int, blank: NDArray[np.uint8] | int = WHITE
) -> tuple[list[Figure], tuple[str, ...]]:
    """Figures of paintings against their targets, both uint8 [N, H, W, C], and what could not be measured.

    ``blank``: what is seen before the first action, uint8 [H, W, C] or one value.
    """
    weights = weights_of(len(views), seed)
    figures = _errors("", "mean squared error to the targets (pixels 0 to 1)", views, targets, weights, blank)
    if min(views.shape[1:3]) < SSIM_WINDOW:
        return figures, (f"SSIM: its window needs {SSIM_WINDOW}×{SSIM_WINDOW} pixels; the view is smaller",)
    likeness = estimate_mean(ssim(views, targets), weights)
    return [*figures, Figure("ssim", "structural similarity to the targets", likeness, "higher")], ()


def canvas_errors(canvases: NDArray[np.uint8], targets: NDArray[np.uint8], seed: int) -> list[Figure]:
    """The errors of whole canvases, both uint8 [N, H, W, C]: larger than those of the view, which averages edges."""
    label = f"mean squared error at the canvas's own {canvases.shape[1]} pixels"
    return _errors("canvas_", label, canvases, targets, weights_of(len(canvases), seed))


def _errors(
    prefix: str,
    label: str,
    paintings: NDArray[np.uint8],
    targets: NDArray[np.uint8],
    weights: NDArray[np.float64],
    blank: NDArray[np.uint8] | int = WHITE,
) -> list[Figure]:
    errors = estimate_mean(mse(paintings, targets), weights)
    untouched = np.empty_like(targets)
    untouched[:] = blank
    empty = estimate_mean(mse(untouched, targets), weights)
    return [
        Figure(f"{prefix}mse", label, errors, "lower"),
        Figure(f"{prefix}blank_mse", "the same of blank paper", empty, ""),
    ]


def error_curve(
    engine: Engine, actions: NDArray[np.int32], targets: NDArray[np.uint8], seed: int, threads: int = 1
) -> tuple[Estimate, ...]:
    """The mean squared error after 0, 1, 2, … strokes of programs [N, T, K] to targets uint8 [N, H, W, C]."""
    errors = errors_by_stroke(engine, actions, targets, threads)
    weights = weights_of(len(errors), seed)
    return tuple(estimate_mean(column, weights) for column in errors.T)
