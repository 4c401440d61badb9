"""The strokes that a list of actions makes: which actions paint, where strokes begin, and how long they are.

Two action interfaces are known, by their components. With ``end``, each action is a stroke from the pen's position,
bent by ``control`` if there is one; or it is a move, for which not every component counts (docs/method.md, 4). With
``control`` but no ``end``, a stroke has several places: flag 1 begins it, and each flag 0 adds one (docs/method.md, 3).
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from spiral.values.actions import ActionSpec

CHORDS = 8
"""Chords of a curve; its length is then right within a twentieth, even if it turns back on itself."""


def is_compound(spec: ActionSpec) -> bool:
    """Whether a stroke takes several actions."""
    return "control" in spec.names and "end" not in spec.names


def pen_of(spec: ActionSpec) -> int | None:
    """The component at whose place an action, whatever its flag, leaves the pen; None if there is none.

    Interfaces list that place before any other.
    """
    return next((k for k in spec.always_counted() if spec.components[k].kind == "grid"), None)


def looked_from(spec: ActionSpec) -> int | None:
    """The component around whose last place a network looks: the pen's, else the first place; None if there is none.

    After an action for which that place does not count it is at place 0.
    """
    pen = pen_of(spec)
    return pen if pen is not None else next((k for k, c in enumerate(spec.components) if c.kind == "grid"), None)


def painted(actions: NDArray[np.int32], spec: ActionSpec) -> NDArray[np.bool_]:
    """Which actions ``[T, B, K]`` paint, or add to a stroke that will be painted: bool ``[T, B]``."""
    if not is_compound(spec):
        return np.asarray(spec.mask(actions).all(-1))
    begins = actions[..., 0] == 1
    paints: NDArray[np.bool_] = ~begins & np.logical_or.accumulate(begins, 0)
    return paints


def laid(actions: NDArray[np.int32], spec: ActionSpec) -> NDArray[np.bool_]:
    """Which actions ``[T, B, K]`` put a stroke, or all places of one, on the canvas: bool ``[T, B]``."""
    paints = painted(actions, spec)
    if not is_compound(spec):
        return paints
    ends: NDArray[np.bool_] = (actions[..., 0] == 1) & np.concatenate([np.zeros_like(paints[:1]), paints[:-1]])
    return ends


def begun(actions: NDArray[np.int32], spec: ActionSpec) -> NDArray[np.bool_]:
    """Which actions paint although the one before did not, except the episode's first stroke: bool ``[T, B]``."""
    paints = painted(actions, spec)
    before = np.concatenate([np.zeros_like(paints[:1]), paints[:-1]])
    starts: NDArray[np.bool_] = paints & ~before & np.logical_or.accumulate(before, 0)
    return starts


def lengths(actions: NDArray[np.int32], spec: ActionSpec) -> NDArray[np.float32]:
    """Length that each action paints or adds, in sides of the canvas: float32 ``[T, B]``; 0 if it paints nothing.

    A curve's length is that of CHORDS chords along it; a compound stroke's is the distance between its places.
    """
    pen = pen_of(spec)
    if pen is None:
        raise ValueError(
            f"actions: strokes have no length without a place for the pen; the components are {spec.names}"
        )
    place = _places(actions, spec, pen)
    # The pen starts in the top left corner (docs/method.md, 4).
    before = np.concatenate([np.zeros_like(place[:1]), place[:-1]])
    if is_compound(spec) or "control" not in spec.names:
        length = _distance(before, place)
    else:
        control = _places(actions, spec, spec.index("control"))
        way = [(1 - t) ** 2 * before + 2 * t * (1 - t) * control + t**2 * place for t in np.linspace(0, 1, CHORDS + 1)]
        length = sum((_distance(*chord) for chord in pairwise(way)), np.zeros_like(place[..., 0]))
    return np.where(painted(actions, spec), length, 0).astype(np.float32)


def _places(actions: NDArray[np.int32], spec: ActionSpec, k: int) -> NDArray[np.float32]:
    """Row and column of component ``k``, in sides of the canvas: float32 ``[T, B, 2]``."""
    (rows, columns), index = spec.components[k].lattice, actions[..., k]
    place = np.stack([index // columns, index % columns], -1).astype(np.float32)
    scaled: NDArray[np.float32] = (place / np.array([rows, columns], np.float32)).astype(np.float32)
    return scaled


def _distance(start: NDArray[np.float32], end: NDArray[np.float32]) -> NDArray[np.float32]:
    distance: NDArray[np.float32] = np.hypot(end[..., 0] - start[..., 0], end[..., 1] - start[..., 1])
    return distance
