"""The error of paintings to their targets after each stroke."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from spiral.engines import Engine
from spiral.evaluation.targets import mse
from spiral.values.actions import ActionSpec
from spiral.values.strokes import is_compound

# As many canvases at a time as a policy paints; the engine is no faster with more.
_BATCH = 64


def errors_by_stroke(
    engine: Engine, actions: NDArray[np.int32], targets: NDArray[np.uint8], threads: int = 1
) -> NDArray[np.float64]:
    """Replay actions [N, T, K] and compare the view after each stroke with targets uint8 [N, H, W, C]: [N, S + 1].

    Column k is the mean squared error (pixels 0…1) after a picture's k-th stroke; column 0 is that of blank paper. S is
    the largest number of strokes; a picture with fewer keeps its last error. Raises ValueError for shapes that do not
    fit.
    """
    if len(actions) != len(targets) or targets.shape[1:] != engine.observation_shape:
        raise ValueError(
            f"strokes: {len(actions)} programs and targets {list(targets.shape)}; "
            f"expected as many targets as programs, each {list(engine.observation_shape)}"
        )
    errors = np.concatenate(
        [
            np.stack([mse(view, targets[batch]) for view in views_by_action(engine, actions[batch], threads)], axis=1)
            for batch in (slice(start, start + _BATCH) for start in range(0, len(actions), _BATCH))
        ]
    )
    strokes = _ends(actions, engine.spec)
    found = np.empty((len(actions), int(strokes.sum(1).max()) + 1))
    for row, painted, of_picture in zip(found, strokes, errors, strict=True):
        after = of_picture[np.concatenate([[0], np.flatnonzero(painted) + 1])]
        row[: len(after)], row[len(after) :] = after, after[-1]
    return found


def _ends(actions: NDArray[np.int32], spec: ActionSpec) -> NDArray[np.bool_]:
    """Which actions [N, T, K] put a stroke on the canvas, bool [N, T]; all others leave the picture as it was.

    They are the actions for which every component counts; with compound strokes the first of them only begins a stroke.
    """
    ends: NDArray[np.bool_] = np.asarray(spec.mask(actions).all(-1))
    return ends & (ends.cumsum(-1) > 1) if is_compound(spec) else ends


def views_by_action(engine: Engine, actions: NDArray[np.int32], threads: int = 1) -> Iterator[NDArray[np.uint8]]:
    """Replay actions [N, T, K]: the blank view and that after each action, ``T + 1`` times uint8 [N, H, W, C]."""
    canvases = engine.open(len(actions), threads)
    try:
        yield canvases.reset(np.zeros(len(actions), np.int64))
        for step in actions.swapaxes(0, 1):
            yield canvases.step(np.ascontiguousarray(step))
    finally:
        canvases.close()


def blank_view(engine: Engine) -> NDArray[np.uint8]:
    """What is seen before the first action, uint8 [H, W, C]: white paper, or an empty table."""
    (view,) = next(views_by_action(engine, np.empty((1, 0, len(engine.spec)), np.int32)))
    seen: NDArray[np.uint8] = view
    return seen
