"""Scenes as lists of objects, and the programs that make them."""

from __future__ import annotations

import numpy as np
import pytest

from spiral.engines.programs import Program
from spiral.engines.scenes import scene
from spiral.engines.scenes.native_module import lib
from spiral.engines.scenes.scene import actions_of, objects_of


def random_objects(length: int) -> np.ndarray:
    return np.random.default_rng(length).integers(0, scene.SPEC.sizes[1:], (length, 6)).astype(np.int32)


def test_the_native_module_says_the_same() -> None:
    assert (lib.MAX_OBJECTS, lib.ATTRIBUTES, lib.COMPONENTS) == (scene.MAX_OBJECTS, 6, 7)
    assert (lib.ADD, lib.CHANGE, lib.SKIP) == (scene.ADD, scene.CHANGE, scene.SKIP)
    assert (lib.BOX, lib.SPHERE, lib.CYLINDER, lib.CAPSULE) == (0, 1, 2, 3)


@pytest.mark.parametrize("length", [0, 1, 20])
def test_a_scene_is_a_program_and_back(length: int) -> None:
    objects = random_objects(length)
    np.testing.assert_array_equal(objects_of(actions_of(objects)), objects)
    if length:
        read = Program.from_json(Program("scenes", {}, actions_of(objects)).to_json())
        np.testing.assert_array_equal(objects_of(read.actions), objects)


def test_what_is_changed_skipped_or_too_much_leaves_no_object() -> None:
    objects = random_objects(22)
    actions = np.insert(objects, 0, scene.ADD, axis=1)
    actions[0, 0] = scene.CHANGE  # of nothing
    np.testing.assert_array_equal(objects_of(actions), objects[1:21])
    actions[2::2, 0] = scene.CHANGE
    np.testing.assert_array_equal(objects_of(actions), objects[[*range(2, 22, 2), 21]])
    actions[:, 0] = scene.SKIP
    assert objects_of(actions).shape == (0, 6)


@pytest.mark.parametrize(
    ("objects", "sentence"),
    [
        (np.zeros((21, 6), int), "^objects: 21 are more than a scene holds; expected at most 20"),
        (np.zeros((2, 7), int), r"^objects: shape \[2, 7\] is not \[N, 6\]: type, location, size, red, green, blue"),
        (np.full((2, 6), 3), "^size: 3 is outside 0…2"),
        (np.zeros((2, 6)), "^objects: float64 are not integers"),
    ],
)
def test_what_is_no_scene_is_refused(objects: np.ndarray, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        actions_of(objects)


def test_actions_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^operation: 3 is outside 0…2"):
        objects_of(np.full((1, 7), 3))
