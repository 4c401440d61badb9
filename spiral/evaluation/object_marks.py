"""Targets on which each object is marked: told right, told but not quite, or missed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from spiral.engines.objects import ObjectEngine, Objects
from spiral.evaluation.objects import Matched, right

ENLARGED = 2
RIGHT, NOT_QUITE, MISSED = (0, 150, 40), (230, 140, 0), (210, 0, 30)


def marks(engine: ObjectEngine, targets: NDArray[np.uint8], matches: Sequence[Matched]) -> NDArray[np.uint8]:
    """Targets uint8 ``[M, H, W, C]``, enlarged, in color: a green ring about an object with everything right, an orange
    square about one that was matched, a red cross on one that was not."""
    marked = []
    for target, one in zip(targets, matches, strict=True):
        picture = Image.fromarray(
            np.broadcast_to(target, (*target.shape[:2], 3)).repeat(ENLARGED, 0).repeat(ENLARGED, 1)
        )
        draw = ImageDraw.Draw(picture)
        good = np.logical_and.reduce([*right(one, engine.attributes).values()])
        for (x, y), found in zip(_middles(engine, one.true), good, strict=True):
            box = (x - 6 * ENLARGED, y - 6 * ENLARGED, x + 6 * ENLARGED, y + 6 * ENLARGED)
            if found:
                draw.ellipse(box, outline=RIGHT, width=ENLARGED)
            else:
                draw.rectangle(box, outline=NOT_QUITE, width=ENLARGED)
        for x, y in _middles(engine, one.missed):
            reach = 4 * ENLARGED
            for slope in (-1, 1):
                draw.line((x - reach, y - slope * reach, x + reach, y + slope * reach), fill=MISSED, width=ENLARGED)
        marked.append(np.asarray(picture))
    return np.stack(marked)


def _middles(engine: ObjectEngine, objects: NDArray[np.int32]) -> list[tuple[float, float]]:
    """Where objects ``[N, A]`` are seen when each is alone: (x, y) on the enlarged picture; the middle if nowhere."""
    alone = Objects(np.concatenate([objects[:, None], objects[:1, None]]), np.ones(len(objects) + 1, np.int32))
    if not len(objects):
        return []
    alone.counts[-1] = 0
    *frames, empty = engine.draw(*alone)
    found = []
    for frame in frames:
        rows, columns = np.nonzero((frame != empty).any(-1))
        scale = ENLARGED if len(rows) else ENLARGED / 2
        at = (columns, rows) if len(rows) else (np.array(empty.shape[1]), np.array(empty.shape[0]))
        found.append((float(scale * (at[0].mean() + 0.5)), float(scale * (at[1].mean() + 0.5))))
    return found
