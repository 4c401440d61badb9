"""Random scenes: apart, seen, no two alike, the same for a seed."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from spiral.engines.scenes import Scenes, geometry
from spiral.engines.scenes.scattering import FEWEST_PIXELS

BOX, SPHERE, CYLINDER, CAPSULE = range(4)
ENGINE = Scenes.from_settings({})


def outline(kind: int, place: int, size: int) -> list[tuple[float, float]]:
    """Points of an object's shadow at noon that are farthest out."""
    x, y = (place % 16 + 0.5) / 8 - 1, 1 - (place // 16 + 0.5) / 8
    radius = geometry.RADII[size]
    around = [(math.cos(a), math.sin(a)) for a in np.linspace(0, 2 * math.pi, 48, endpoint=False)]
    if kind == BOX:
        (c, s), half = geometry.BOX_TURN, geometry.BOX_HALF * radius
        return [(x + half * (c * i - s * j), y + half * (s * i + c * j)) for i in (-1, 1) for j in (-1, 1)]
    if kind == CAPSULE:
        thick, half = geometry.CAPSULE[0] * radius, geometry.CAPSULE[1] * radius
        return [(x + end * half + thick * i, y + thick * j) for end in (-1, 1) for i, j in around]
    thick = radius * (geometry.CYLINDER[0] if kind == CYLINDER else 1)
    return [(x + thick * i, y + thick * j) for i, j in around]


def separable(one: list[tuple[float, float]], other: list[tuple[float, float]]) -> bool:
    """Whether some line lies between two convex outlines."""
    for angle in np.linspace(0, math.pi, 60, endpoint=False):
        along = np.array([math.cos(angle), math.sin(angle)])
        a, b = np.array(one) @ along, np.array(other) @ along
        if a.max() < b.min() or b.max() < a.min():
            return True
    return False


def test_objects_stand_apart_and_are_seen_and_no_scene_comes_twice() -> None:
    objects, counts = ENGINE.scatter(200, 1, 5, seed=1)
    assert np.bincount(counts, minlength=6)[1:].min() > 20
    for scene, count in zip(objects[:40], counts, strict=False):
        shadows = [outline(*found[:3]) for found in scene[:count].tolist()]
        assert all(separable(one, other) for one, other in itertools.combinations(shadows, 2))
    seen = ENGINE.draw_and_count(objects, counts)[1]
    assert all((mine[:count] >= FEWEST_PIXELS).all() for mine, count in zip(seen, counts, strict=True))
    alike = {frozenset(map(tuple, scene[:count].tolist())) for scene, count in zip(objects, counts, strict=True)}
    assert len(alike) == 200


def test_the_seed_decides_everything() -> None:
    one, again, other = (ENGINE.scatter(50, 1, 3, seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(one.attributes, again.attributes)
    np.testing.assert_array_equal(one.counts, again.counts)
    assert (one.attributes != other.attributes).any()
    small = Scenes.from_settings({"canvas": 32}).scatter(50, 1, 3, 3)
    np.testing.assert_array_equal(one.attributes, small.attributes)


def test_every_place_type_and_size_occurs_and_impossible_wishes_are_refused() -> None:
    objects, counts = ENGINE.scatter(2500, 1, 1, seed=0)
    assert (counts == 1).all()
    for k, size in enumerate(Scenes.spec.sizes[1:]):
        assert len(np.unique(objects[:, 0, k])) == size
    with pytest.raises(ValueError, match=r"scenes: 3 to 2 objects; expected 1 … 20"):
        ENGINE.scatter(1, 3, 2, seed=0)


def test_a_place_is_where_its_object_is_seen() -> None:
    component = Scenes.spec.components[2]
    empty = ENGINE.draw(np.zeros((1, 1, 6), np.int32), np.array([0]))[0]
    for place in range(0, 256, 17):
        picture = ENGINE.draw(np.array([[[SPHERE, place, 1, 3, 3, 3]]]), np.array([1]))[0]
        rows, columns = np.nonzero((picture != empty).any(-1))
        row, column = component.seen[place]
        assert abs(rows.mean() + 0.5 - 64 * row) < 0.6
        assert abs(columns.mean() + 0.5 - 64 * column) < 0.6
