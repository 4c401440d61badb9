"""One figure of how well a run paints, by the measure that suits its data; `spiral train` prints it at the end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from spiral.evaluation.digits import DIGITS, default_reference, evaluate_pictures
from spiral.evaluation.stroke_curve import blank_view
from spiral.evaluation.targets import mse
from spiral.models.trained import Trained, targets_for

__all__ = ["DIGITS", "QuickEvaluation", "evaluate_quickly"]


@dataclass(frozen=True, slots=True)
class QuickEvaluation:
    """Figures, and sentences about them."""

    figures: dict[str, Any]
    text: str


def evaluate_quickly(trained: Trained, num: int, seed: int) -> QuickEvaluation:
    """Paint ``num`` pictures and measure them against the split for choices.

    ValueError if there is no measure for the run's data.
    """
    config, split = trained.config, trained.config.tuning_split
    targets = targets_for(trained, num, seed, split)
    if targets is None and config.data not in DIGITS:
        raise ValueError(
            f'eval: there is no measure for pictures of "{config.data}"; expected one of {", ".join(DIGITS)}'
        )
    images, _ = trained.paint(num, seed, targets)
    if targets is None:
        report = evaluate_pictures(images, default_reference(split=split))
        return QuickEvaluation({"frames": trained.frames, **report.as_dict()}, report.text)
    views = trained.view(images)
    error = float(mse(views, targets).mean())
    untouched = np.empty_like(targets)
    untouched[:] = blank_view(trained.engine)
    blank = float(mse(untouched, targets).mean())
    return QuickEvaluation(
        {"frames": trained.frames, "mse": error, "blank_mse": blank, "n": num, "split": split},
        f"mean squared error {error:.4f} over {num:,} {split} targets (pixels 0 to 1); blank paper gets {blank:.4f}",
    )
