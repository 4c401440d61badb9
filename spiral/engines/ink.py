"""Checks whether any action can leave something on a blank canvas."""

from __future__ import annotations

import numpy as np

from spiral.engines.interface import Engine
from spiral.values.strokes import is_compound

ACTIONS = 7
"""Actions executed on each canvas: this many curves, or two strokes of several places."""
CANVASES = 8
MOST_PIXELS = 1 << 21
"""Most pixels of all canvases together: of large canvases fewer are painted."""


def leaves_ink(engine: Engine) -> bool:
    """Whether any of several random actions on blank canvases changes their observations."""
    height, width, _ = engine.canvas_shape
    batch = max(1, min(CANVASES, MOST_PIXELS // (height * width)))
    draw = np.random.default_rng(0)
    strokes = not {"end", "control"}.isdisjoint(engine.spec.names)
    canvases = engine.open(batch)
    try:
        blank = canvases.reset(np.zeros(batch, np.int64))
        for step in range(ACTIONS):
            actions = np.stack([draw.integers(size, size=batch) for size in engine.spec.sizes], -1).astype(np.int32)
            if strokes:  # each action is a stroke, or every third one
                actions[:, 0] = not is_compound(engine.spec) or step % 3 == 0
            if (canvases.step(actions) != blank).any():
                return True
    finally:
        canvases.close()
    return False
