"""The components of an action, and the scenes that actions make: lists of objects, int32 ``[N, 6]``.

An object's attributes are an action's components without its operation. Needs no native module.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spiral.engines.scenes import geometry
from spiral.values.actions import ActionSpec, Component

ADD, CHANGE, SKIP = OPERATIONS = range(3)
MAX_OBJECTS = 20
SPEC = ActionSpec(
    (
        Component("operation", len(OPERATIONS), "choice"),
        Component("type", len(geometry.TYPES), "choice"),
        Component("location", geometry.GRID**2, "grid", seen=geometry.seen_places()),
        Component("size", len(geometry.RADII), "choice"),
        *(Component(name, len(geometry.LEVELS), "choice") for name in ("red", "green", "blue")),
    ),
    counts=((True,) * 7, (True,) * 7, (True, *(False,) * 6)),
)
ATTRIBUTES = SPEC.names[1:]


def objects_of(actions: NDArray[np.int32]) -> NDArray[np.int32]:
    """The objects that actions ``[T, 7]`` leave on an empty table, ``[N, 6]``; ValueError for a value out of range."""
    SPEC.validate(np.asarray(actions), "scenes")
    objects: list[list[int]] = []
    for operation, *attributes in np.asarray(actions).tolist():
        if operation == ADD and len(objects) < MAX_OBJECTS:
            objects.append(attributes)
        elif operation == CHANGE and objects:
            objects[-1] = attributes
    return np.array(objects, np.int32).reshape(-1, len(ATTRIBUTES))


def actions_of(objects: NDArray[np.int32]) -> NDArray[np.int32]:
    """The actions ``[N, 7]`` that add objects ``[N, 6]``, one after another; ValueError if they are no scene."""
    given = np.asarray(objects)
    if given.ndim != 2 or given.shape[1] != len(ATTRIBUTES):
        raise ValueError(f"objects: shape {list(given.shape)} is not [N, {len(ATTRIBUTES)}]: {', '.join(ATTRIBUTES)}")
    if given.dtype.kind not in "iu":
        raise ValueError(f"objects: {given.dtype} are not integers; expected int32")
    if len(given) > MAX_OBJECTS:
        raise ValueError(f"objects: {len(given)} are more than a scene holds; expected at most {MAX_OBJECTS}")
    actions = np.insert(given, 0, ADD, axis=1)
    SPEC.validate(actions, "scenes")
    return actions.astype(np.int32)
