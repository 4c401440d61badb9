"""What the engine ``scenes`` draws, beside a slow ray marcher that knows the shapes by their distance alone."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from numpy.typing import NDArray

from spiral.engines.scenes import Scenes, geometry
from spiral.engines.scenes.drawing import draw_scenes
from spiral.engines.scenes.native_module import make_stage
from spiral.values.area_average import area_average

BOX, SPHERE, CYLINDER, CAPSULE = range(4)
MIDDLE = 7 * 16 + 7


def make(**settings: int) -> Scenes:
    return Scenes.from_settings(settings)


def random_scenes(scenes: int, length: int, seed: int = 0) -> NDArray[np.int32]:
    """Objects, int32 ``[B, N, 6]``."""
    return np.random.default_rng(seed).integers(0, Scenes.spec.sizes[1:], (scenes, length, 6)).astype(np.int32)


def draw(objects: NDArray[np.int32] | list[list[int]], **settings: int) -> NDArray[np.uint8]:
    """One scene: ``[N, 6]`` → ``[H, W, 3]``."""
    scene = np.array(objects, np.int32).reshape(1, -1, 6)
    return make(**settings).draw(scene, np.array([scene.shape[1]]))[0]


def distance(attributes: NDArray[np.int32], points: NDArray[np.float64]) -> NDArray[np.float64]:
    """From points ``[..., 3]`` to an object's surface: the well-known signed distances of the four shapes."""
    kind, place, size = attributes[:3]
    radius = geometry.RADII[size]
    x = points[..., 0] - ((place % 16 + 0.5) / 8 - 1)
    y = points[..., 1] - (1 - (place // 16 + 0.5) / 8)
    z = points[..., 2]
    if kind == SPHERE:
        return np.sqrt(x**2 + y**2 + (z - radius) ** 2) - radius
    if kind == CAPSULE:
        thick, half = np.array(geometry.CAPSULE) * radius
        return np.sqrt(np.maximum(np.abs(x) - half, 0) ** 2 + y**2 + (z - thick) ** 2) - thick
    if kind == CYLINDER:
        thick, half = np.array(geometry.CYLINDER) * radius
        beyond = np.stack([np.hypot(x, y) - thick, np.abs(z - half) - half])
    else:
        (c, s), half = geometry.BOX_TURN, geometry.BOX_HALF * radius
        beyond = np.stack([np.abs(c * x + s * y) - half, np.abs(c * y - s * x) - half, np.abs(z - half) - half])
    return np.sqrt((np.maximum(beyond, 0) ** 2).sum(0)) + np.minimum(beyond.max(0), 0)


def march(objects: NDArray[np.int32], side: int = 64) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """A picture ``[side, side, 3]``, 0 … 255 before rounding, and which of its pixels are no matter of a hair."""
    camera = geometry.camera()
    rows, columns = np.mgrid[:side, :side]
    u, v = (columns + 0.5) / side * 2 - 1, 1 - (rows + 0.5) / side * 2
    ways = np.array(camera.forward) + u[..., None] * camera.right + v[..., None] * np.array(camera.up)
    ways /= np.linalg.norm(ways, axis=-1, keepdims=True)
    eye, light = np.array(camera.eye), np.array(geometry.LIGHT)

    floor = eye - ways * (eye[2] / ways[..., 2])[..., None]
    on_table = (np.abs(floor[..., :2]) <= 1).all(-1)
    lit = geometry.AMBIENT + geometry.DIFFUSE * light[2]
    picture = 255 * lit * np.where(on_table[..., None], geometry.TABLE, geometry.GROUND)
    sure = np.abs(np.abs(floor[..., :2]) - 1).min(-1) > 1e-6
    nearest = np.full((side, side), np.inf)
    for attributes in objects:
        way = np.full((side, side), 3.0)
        closest = np.full((side, side), np.inf)
        for _ in range(150):
            apart = distance(attributes, eye + way[..., None] * ways)
            closest = np.minimum(closest, apart)
            way += np.where(np.abs(apart) > 1e-10, apart, 0)
        hit = closest < 1e-9
        sure &= hit | (closest > 1e-3)
        points = eye + way[..., None] * ways
        slope = [distance(attributes, points + h) - distance(attributes, points - h) for h in 1e-6 * np.eye(3)]
        normal = np.stack(slope, -1) / 2e-6
        shade = geometry.AMBIENT + geometry.DIFFUSE * np.maximum(normal @ light, 0)
        color = 255 * np.array([geometry.LEVELS[bin] for bin in attributes[3:]])
        seen = hit & (way < nearest)
        picture[seen] = shade[seen, None] * color
        nearest[seen] = way[seen]
    return picture, sure


@pytest.mark.parametrize("seed", range(3))
def test_it_draws_what_a_ray_marcher_sees(seed: int) -> None:
    scene = random_scenes(1, 4, seed)[0]
    scene[:, 0] = range(4)
    scene[:, 2] = (np.arange(4) + seed) % 3
    right, sure = march(scene)
    assert sure.mean() > 0.98
    off = np.abs(draw(scene).astype(float) - right).max(-1)
    # Levels and shades are rounded before they are multiplied; an edge between two faces may be a hair elsewhere.
    assert (off[sure] > 1.3).sum() <= 1


def test_pictures_are_the_same_on_every_machine() -> None:
    """A change of these digests is a change of the engine's version."""
    # Not random: NumPy's generators may change.
    scenes = (np.arange(64 * 20 * 6).reshape(64, 20, 6) * 7919 // 11 % Scenes.spec.sizes[1:]).astype(np.int32)
    counts = np.arange(64) % 21
    digests = {
        side: hashlib.sha256(make(canvas=side).draw(scenes, counts).tobytes()).hexdigest()[:16] for side in (64, 192)
    }
    assert digests == {64: "2b7f4db0874e5a71", 192: "401c44fa1cc221d9"}
    assert make().version == "scenes 1"


def test_every_object_lies_within_the_picture_and_is_seen() -> None:
    whole = np.array([[[t, p, s, 3, 3, 3]] for t in range(4) for p in range(256) for s in range(3)], np.int32)
    engine = make()
    one = np.ones(len(whole), np.int32)
    frames, seen = engine.draw_and_count(whole, one)
    changed = (frames != engine.draw(whole[:1], np.zeros(1, np.int32))).any(-1)
    assert not changed[:, [0, -1]].any()
    assert not changed[:, :, [0, -1]].any()
    np.testing.assert_array_equal(changed.sum((1, 2)), seen[:, 0])
    assert seen.min() >= 16


@pytest.mark.parametrize("size", range(3))
@pytest.mark.parametrize("level", [0, 3])
def test_types_can_be_told_apart_at_every_size_and_color(size: int, level: int) -> None:
    """More than a quarter of the larger one's pixels differ visibly."""
    pictures = [draw([[kind, MIDDLE, size, level, level, level]]).astype(int) for kind in range(4)]
    pixels = [np.abs(picture - draw([])).any(-1).sum() for picture in pictures]
    for one in range(4):
        for other in range(one):
            differ = (np.abs(pictures[one] - pictures[other]).max(-1) > 8).sum()
            assert differ > 0.25 * max(pixels[one], pixels[other]), (one, other)


def test_of_two_objects_the_nearer_is_seen_and_of_equal_ones_the_later() -> None:
    near, far = [SPHERE, MIDDLE + 16, 2, 3, 0, 0], [SPHERE, MIDDLE, 2, 0, 3, 0]
    np.testing.assert_array_equal(draw([near, far]), draw([far, near]))
    _, seen = make().draw_and_count(np.array([[near, far]]), np.array([2]))
    _, alone = make().draw_and_count(np.array([[far]]), np.array([1]))
    assert 0 < seen[0, 1] < alone[0, 0]
    again = [SPHERE, MIDDLE, 2, 3, 3, 3]
    np.testing.assert_array_equal(draw([far, again]), draw([again]))
    _, seen = make().draw_and_count(np.array([[far, again, near]]), np.array([2]))
    assert seen[0, 0] == 0
    assert seen[0, 2] == 0, "one that is not counted is not there"


@pytest.mark.parametrize(("canvas", "view"), [(64, 32), (64, 16), (192, 64)])
def test_the_view_is_the_exact_area_average(canvas: int, view: int) -> None:
    scenes, counts = random_scenes(5, 6), np.array([0, 1, 2, 4, 6])
    expected = area_average(make(canvas=canvas).draw(scenes, counts), canvas // view)
    np.testing.assert_array_equal(make(canvas=canvas, view=view).draw(scenes, counts), expected)


def test_a_larger_canvas_shows_the_same_scene() -> None:
    scenes, counts = random_scenes(3, 5), np.full(3, 5)
    small = make()
    large = small.scaled(2).scaled(4)
    assert large.canvas_shape == (512, 512, 3)
    average = area_average(large.draw(scenes, counts), 8).astype(float)
    assert np.corrcoef(average.ravel(), small.draw(scenes, counts).ravel())[0, 1] > 0.97


def test_what_is_drawn_anew_each_time_is_what_is_kept_where_a_canvas_is_small() -> None:
    scenes, counts = random_scenes(3, 5), np.full(3, 5, np.int32)
    frames = np.empty((3, 96, 96, 3), np.uint8)
    draw_scenes(make_stage(96, 96, geometry.camera(), tabulate=False), scenes, counts, frames)
    np.testing.assert_array_equal(frames, make(canvas=96).draw(scenes, counts))
