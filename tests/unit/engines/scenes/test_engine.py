"""What the engine ``scenes`` promises its callers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from spiral.engines import create
from spiral.engines.interface import StoppedError
from spiral.engines.scenes import Scenes

ADD, CHANGE, SKIP = range(3)


def make(**settings: Any) -> Scenes:
    return Scenes.from_settings(settings)


def random_actions(length: int, batch: int, seed: int = 0) -> NDArray[np.int32]:
    return np.random.default_rng(seed).integers(0, Scenes.spec.sizes, (length, batch, 7)).astype(np.int32)


def replayed(actions: NDArray[np.int32]) -> list[list[int]]:
    """The objects that actions ``[T, 7]`` leave, by the rules as they are written."""
    objects: list[list[int]] = []
    for operation, *attributes in actions.tolist():
        if operation == ADD and len(objects) < 20:
            objects.append(attributes)
        elif operation == CHANGE and objects:
            objects[-1] = attributes
    return objects


def test_components_stand_in_sampling_order_and_skip_counts_for_nothing_else() -> None:
    spec = make().spec
    assert spec.names == ("operation", "type", "location", "size", "red", "green", "blue")
    assert spec.sizes == (3, 4, 256, 3, 4, 4, 4)
    assert spec.components[2].kind == "grid"
    masks = spec.mask(np.array([[ADD] + 6 * [0], [CHANGE] + 6 * [0], [SKIP] + 6 * [0]], np.int32))
    assert masks.tolist() == [[True] * 7, [True] * 7, [True] + [False] * 6]


@pytest.mark.parametrize("settings", [{}, {"view": 32}, {"canvas": 144, "view": 48}])
def test_what_is_seen_are_the_objects_that_the_actions_leave(settings: dict[str, int]) -> None:
    engine, actions = make(**settings), random_actions(40, 8)
    actions[1:, :2, 0] = ADD  # more of them than a scene holds
    actions[0, 3, 0], actions[0, 4, 0] = CHANGE, SKIP  # of nothing
    with engine.open(8, threads=2) as canvases:
        blank = canvases.reset()
        for t, step in enumerate(actions, start=1):
            frames = canvases.step(step)
            expected = [replayed(mine) for mine in actions[:t].swapaxes(0, 1)]
            assert [objects.tolist() for objects in canvases.objects()] == expected
            scenes = np.zeros((8, 20, 6), np.int32)
            for scene, objects in zip(scenes, expected, strict=True):
                scene[: len(objects)] = np.array(objects, np.int32).reshape(-1, 6)
            np.testing.assert_array_equal(frames, engine.draw(scenes, np.array([len(objects) for objects in expected])))
        assert len(expected[0]) == 20
        np.testing.assert_array_equal(canvases.reset(), blank)


def test_a_step_tells_how_far_it_is_from_targets() -> None:
    engine, actions = make(view=32), random_actions(1, 3)[0]
    targets = np.random.default_rng(1).integers(0, 256, (3, 32, 32, 3), np.uint8)
    with engine.open(3) as canvases:
        frames = canvases.step(actions)
        expected = ((frames.astype(np.int64) - targets) ** 2).sum((1, 2, 3))
        np.testing.assert_array_equal(canvases.squared_distances(targets), expected)
        with pytest.raises(ValueError, match="targets: uint8"):
            canvases.squared_distances(targets[:1])


def test_frames_are_written_where_the_caller_wants_them() -> None:
    engine, actions = make(), random_actions(1, 4)[0]
    record = np.empty((2, 4, 64, 64, 3), np.uint8)
    with engine.open(4) as canvases:
        assert canvases.reset(np.zeros(4, np.int64), out=record[0]).base is record
        canvases.step(actions, out=record[1])
        np.testing.assert_array_equal(canvases.canvas(), record[1])
        with pytest.raises(ValueError, match=r"is not a contiguous, writable uint8 array of shape \[4, 64, 64, 3\]"):
            canvases.step(actions, out=record[1][:, ::-1])


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"canvas": 8}, "canvas: input should be greater than or equal to 16, but it is 8"),
        ({"view": 30}, "view: 30 does not divide the canvas, 64 pixels"),
        ({"brush": "classic/pen"}, "brush"),
    ],
)
def test_wrong_settings_are_refused_with_a_sentence(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=f'^settings of engine "scenes": .*{sentence}'):
        create("scenes", settings)


def test_a_wrong_action_draws_nothing_and_is_named() -> None:
    with make().open(2) as canvases:
        blank = canvases.reset()
        wrong = np.zeros((2, 7), np.int32)
        wrong[1, 2] = 256
        with pytest.raises(
            ValueError, match=r"^location: 256 is outside 0…255 \(component \"location\" of engine \"sce"
        ):
            canvases.step(wrong)
        np.testing.assert_array_equal(canvases.canvas(), blank)
        with pytest.raises(ValueError, match=r"shape \[1, 7\] is not \[2, 7\], the components operation, type"):
            canvases.step(wrong[:1])
        with pytest.raises(ValueError, match="float64 are not integers"):
            canvases.step(np.zeros((2, 7)))  # type: ignore[arg-type]
        with pytest.raises(ValueError, match=r"type: 4294967296 is outside 0…3"):
            canvases.step(np.array([[0, 1 << 32, 0, 0, 0, 0, 0]] * 2))


@pytest.mark.parametrize(
    ("objects", "counts", "sentence"),
    [
        (
            np.zeros((1, 21, 6), int),
            [21],
            r"^objects: shape \[1, 21, 6\] is not \[B, N, 6\] with N ≤ 20 objects a scene",
        ),
        (np.zeros((2, 3, 6), int), [3], "^counts: expected 2 numbers of objects, each 0…3"),
        (np.zeros((1, 3, 6), int), [4], "^counts: expected 1 numbers of objects, each 0…3"),
        (np.full((1, 3, 6), 4), [1], "^type: 4 is outside 0…3"),
        (np.zeros((1, 3, 6)), [1], "^objects: float64 and int64 are not integers"),
    ],
)
def test_scenes_that_are_none_are_refused(objects: Any, counts: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        make().draw(objects, np.array(counts))


def test_canvases_end_where_they_are_told_to() -> None:
    engine = make()
    for batch, threads in ((0, 1), (4097, 1), (1, 0), (1, 257)):
        with pytest.raises(ValueError, match="is outside 1…"):
            engine.open(batch, threads)
    with pytest.raises(ValueError, match=r"scale: 65 makes a canvas of 4160 × 4160 pixels; at most 4096 a side"):
        engine.scaled(65)
    canvases = engine.open(1)
    canvases.stop()
    with pytest.raises(StoppedError):
        canvases.step(random_actions(1, 1)[0])
    canvases.close()
    canvases.close()
    assert canvases.closed
    with pytest.raises(ValueError, match="closed"):
        canvases.reset()


def test_programs_of_another_version_are_named() -> None:
    engine = make()
    assert engine.differs(engine.version) is None
    assert engine.differs("") is None
    assert engine.differs("scenes 0") == 'drawn with "scenes 0", but here with "scenes 1"'
