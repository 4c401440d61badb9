"""Brings pictures of any size and shape to what an agent is shown."""

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
"""Data sets whose pictures fill the view; those of the others are drawings on white paper."""


@dataclass(frozen=True, slots=True)
class Target:
    """A picture as the agent is shown it."""

    picture: NDArray[np.uint8]
    """``[H, W, C]``, the view's size."""
    change: str
    """What was done to bring it there, in words."""


def target_of(picture: NDArray[np.uint8], trained: Trained, fit: Fit | None = None) -> Target:
    """Bring a picture ``[H, W, C]`` with the view's channels to the view of a run or model.

    ``crop`` cuts it about its center, ``pad`` gives it white margins; None: as the pictures that it learned from,
    photographs are cut and drawings get margins.
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
    """How pictures are brought to the view if nobody says so."""
    data = trained.config.data
    return "crop" if data in PHOTOGRAPHS or data.startswith(PREFIX) else "pad"
