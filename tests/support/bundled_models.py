"""What the models that ship paint; by whoever imports this, or runs it with the packages of a wheel."""

from __future__ import annotations

import numpy as np

from spiral.models import bundled_models
from spiral.models.with_torch import load_model


def darkest() -> dict[str, int]:
    """The darkest value of two paintings by each model; 255 if they are blank."""
    found = {}
    for name, folder in bundled_models().items():
        model = load_model(folder)
        targets = None
        if model.config.conditional:
            # Not blank ones: an agent that is good leaves the paper blank then.
            targets = np.full((2, *model.engine.observation_shape), 255, np.uint8)
            targets[:, 8:24, 15:18] = 0
        canvases, _ = model.paint(2, 0, targets)
        found[name] = int(canvases.min())
    return found
