"""The observation and action spaces of an episode, as Gymnasium describes them."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces

from spiral.values.actions import ActionSpec
from spiral.values.strokes import pen_of


def observation_space(shape: tuple[int, int, int], spec: ActionSpec, targets: bool) -> spaces.Dict:
    """Canvases uint8 ``shape`` and the time; ``target`` only if there are targets, ``pen`` only if every action leaves
    the pen at a place."""
    picture = spaces.Box(0, 255, shape, np.uint8)
    parts: dict[str, spaces.Space[Any]] = {"canvas": picture}
    if targets:
        parts["target"] = picture
    if pen_of(spec) is not None:
        parts["pen"] = spaces.Box(0, 1, (2,), np.float32)
    parts["time"] = spaces.Box(0, 1, (1,), np.float32)
    return spaces.Dict(parts)


def action_space(spec: ActionSpec) -> spaces.MultiDiscrete[np.int32]:
    """One number for each component of an action, in the order of the action spec."""
    return spaces.MultiDiscrete(np.array(spec.sizes, np.int32), dtype=np.int32)
