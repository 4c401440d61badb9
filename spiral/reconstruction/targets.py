"""Fits pictures of any size and shape to the view of an agent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from spiral.configuration.paths import PREFIX
from spiral.datasets import views
from spiral.models.trained import Trained

Fit = Literal["crop", "pad"]
PHOTOGRAPHS = ("celeba", "faces")
"""Data sets whose pictures fill the view; the other data sets are drawings on white paper."""


@dataclass(frozen=True, slots=True)
class Target:
    """A picture as the agent sees it."""

    picture: NDArray[np.uint8]
    """``[H, W, C]``, the view's size."""
    change: str
    """How the picture was fitted, in words."""


def target_of(picture: NDArray[np.uint8], trained: Trained, fit: Fit | None = None) -> Target:
    """Fit a picture ``[H, W, C]`` with the view's channels to the view of a run or model.

    ``crop`` cuts it around its center; ``pad`` adds white margins; None does as the training pictures did:
    photographs are cut, and drawings get margins.
    """
    height, width, _ = trained.engine.observation_shape
    had = f"{picture.shape[1]}×{picture.shape[0]}"
    if (fit or fit_of(trained)) == "crop":
        fitted = views.crop_to_cover(picture[None], height, width)[0]
        how = "cut about its center and scaled"
    else:
        fitted = views.fit_inside(picture[None], height, width)[0]
        how = "scaled and centered on white"
    same = picture.shape[:2] == (height, width)
    change = f"{had}, as the agent sees it" if same else f"{had} → {width}×{height}, {how}"
    return Target(np.ascontiguousarray(fitted), change)


def fit_of(trained: Trained) -> Fit:
    """The default way of fitting pictures to the view."""
    data = trained.config.data
    return "crop" if data in PHOTOGRAPHS or data.startswith(PREFIX) else "pad"
