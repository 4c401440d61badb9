"""Analysis by synthesis, object by object: adds the single object that brings the picture nearest to the target.

Objects are added, never changed, until none helps. Each component of a color decides one channel, so the best bin of
each channel is found independently: a few drawings of every placement instead of one in every color.
"""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from spiral.engines.objects import ObjectEngine, Objects

_AT_ONCE = 1024


def greedy(engine: ObjectEngine, target: NDArray[np.uint8]) -> tuple[list[Objects], int]:
    """Explain one picture, uint8 ``[H, W, C]``: the scenes after 0, 1, 2, … objects, and the drawings of each step."""
    sizes = [component.size for component in engine.attributes]
    colors = [k for k, component in enumerate(engine.attributes) if component.name in engine.color_attributes]
    bins = sizes[colors[0]]
    others = [range(size) if k not in colors else range(1) for k, size in enumerate(sizes)]
    placements = np.array(list(itertools.product(*others)), np.int32)
    candidates = np.repeat(placements, bins, axis=0)
    candidates[:, colors] = np.tile(np.arange(bins), len(placements))[:, None]

    scene = np.zeros((0, len(sizes)), np.int32)
    found = [Objects(scene[None], np.zeros(1, np.int32))]
    least = _errors(engine, scene, None, target).sum()
    while len(scene) < engine.max_objects:
        parts = np.split(candidates, range(_AT_ONCE, len(candidates), _AT_ONCE))
        errors = np.concatenate([_errors(engine, scene, part, target) for part in parts])
        by_channel = errors.reshape(len(placements), bins, len(colors))
        totals = by_channel.min(1).sum(1)
        if totals.min() >= least:
            break
        best = totals.argmin()
        least = totals[best]
        added = placements[best].copy()
        added[colors] = by_channel[best].argmin(0)
        scene = np.concatenate([scene, added[None]])
        found.append(Objects(scene[None], np.array([len(scene)], np.int32)))
    return found, len(candidates)


def _errors(
    engine: ObjectEngine, scene: NDArray[np.int32], added: NDArray[np.int32] | None, target: NDArray[np.uint8]
) -> NDArray[np.float64]:
    """Sums of squares ``[M, C]`` of a scene ``[N, A]``, alone or with one of the objects ``added`` ``[M, A]``."""
    scenes = scene[None]
    if added is not None:
        scenes = np.concatenate([scenes.repeat(len(added), 0), added[:, None]], 1)
    frames = engine.draw(np.ascontiguousarray(scenes), np.full(len(scenes), scenes.shape[1], np.int32))
    apart = frames.astype(np.float32) - target
    errors: NDArray[np.float64] = np.einsum("bhwc,bhwc->bc", apart, apart).astype(np.float64)
    return errors
