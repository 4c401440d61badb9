"""Whether strokes leave anything on a canvas: erasers and blenders do not, nor brushes that wait for another pen."""

from __future__ import annotations

import numpy as np

from spiral.engines.interface import Engine
from spiral.values.strokes import is_compound

ACTIONS = 7
"""Painted on each canvas: as many curves, or two strokes of several places."""
CANVASES = 8
MOST_PIXELS = 1 << 21
"""Of all canvases: fewer of them are painted where they are large."""


def leaves_ink(engine: Engine) -> bool:
    """Whether any of some random strokes on blank canvases changes what is seen of them."""
    height, width, _ = engine.canvas_shape
    batch = max(1, min(CANVASES, MOST_PIXELS // (height * width)))
    draw = np.random.default_rng(0)
    canvases = engine.open(batch)
    try:
        blank = canvases.reset(np.zeros(batch, np.int64))
        for step in range(ACTIONS):
            actions = np.stack([draw.integers(size, size=batch) for size in engine.spec.sizes], -1).astype(np.int32)
            actions[:, 0] = not is_compound(engine.spec) or step % 3 == 0
            if (canvases.step(actions) != blank).any():
                return True
    finally:
        canvases.close()
    return False


REMEDY = "choose another brush for a new run, for example --set engine.settings.brush=classic/pen"


def blank_page(brush: object) -> str:
    """The sentence on an engine whose strokes leave nothing."""
    return (
        f'the brush "{brush}" leaves nothing on a blank canvas with these settings: no random stroke changes it, so '
        "there is nothing to learn from"
    )
