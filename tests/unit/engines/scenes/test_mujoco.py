"""The rasterizer beside MuJoCo, and what is said where MuJoCo is missing or broken."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from spiral.engines import EngineMissingError, create
from spiral.engines.scenes import Scenes, mujoco_library

try:
    mujoco_library.load()
    WHY = ""
except EngineMissingError as error:
    WHY = str(error)
needs_mujoco = pytest.mark.skipif(bool(WHY), reason=WHY)

TYPES = 4


def both() -> tuple[Scenes, Scenes]:
    return Scenes.from_settings({}), Scenes.from_settings({"renderer": "mujoco"})


def random_scenes(scenes: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Scenes of 1 to 20 objects, each number equally often."""
    objects = np.random.default_rng(7).integers(0, Scenes.spec.sizes[1:], (scenes, 20, 6)).astype(np.int32)
    return objects, (np.arange(scenes) % 20 + 1).astype(np.int32)


def owners(engine: Scenes, objects: NDArray[np.int32], counts: NDArray[np.int32]) -> NDArray[np.int32]:
    """Which object each pixel shows, or -1: the one whose color changes the pixel, ``[B, H, W]``."""
    pictures, found = engine.draw(objects, counts), np.full((len(objects), 64, 64), -1, np.int32)
    for k in range(objects.shape[1]):
        other = objects.copy()
        other[:, k, 3:] = 3 - other[:, k, 3:]
        found[(engine.draw(other, counts) != pictures).any(-1)] = k
    return found


def inside(owner: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Pixels that show an object, as all eight around them do."""
    same = np.zeros(owner.shape, bool)
    same[:, 1:-1, 1:-1] = owner[:, 1:-1, 1:-1] >= 0
    for row in range(3):
        for column in range(3):
            same[:, 1:-1, 1:-1] &= owner[:, row : row + 62, column : column + 62] == owner[:, 1:-1, 1:-1]
    return same


@needs_mujoco
@pytest.mark.parametrize("scenes", [40, pytest.param(1000, marks=pytest.mark.slow)])
def test_random_scenes_look_as_mujoco_draws_them(scenes: int) -> None:
    objects, counts = random_scenes(scenes)
    ours, theirs = both()
    pictures, expected = ours.draw(objects, counts).astype(int), theirs.draw(objects, counts).astype(int)
    blanks = [engine.draw(objects[:1], np.zeros(1, np.int32)).astype(int) for engine in (ours, theirs)]
    np.testing.assert_allclose(*blanks, atol=3)
    silhouettes = [(mine != blank).any(-1) for mine, blank in zip((pictures, expected), blanks, strict=True)]
    common, all_of_it = (operation(*silhouettes).sum((1, 2)) for operation in (np.logical_and, np.logical_or))
    assert (common / all_of_it).min() >= 0.98
    interior = inside(owners(ours, objects, counts))
    assert interior.sum() > 200 * scenes
    # The edge between two faces of an object may be on the other side of a pixel's middle, and of two objects that run
    # into one another and are as high, MuJoCo shows now one and now the other.
    shifts = [np.roll(pictures, (row, column), (1, 2)) for row in (-1, 0, 1) for column in (-1, 0, 1)]
    difference = np.min([np.abs(shifted - expected).max(-1) for shifted in shifts], axis=0)
    assert (difference[interior] <= 3).mean() >= 0.998


@needs_mujoco
def test_canvases_of_mujoco_keep_the_promises_of_an_engine() -> None:
    _, engine = both()
    assert engine.version.startswith("scenes 1, mujoco ")
    viewed = Scenes.from_settings({"renderer": "mujoco", "view": 32})
    actions = np.random.default_rng(0).integers(0, engine.spec.sizes, (6, 3, 7)).astype(np.int32)
    with engine.open(3) as canvases, viewed.open(3) as smaller:
        blank = canvases.reset(np.zeros(3, np.int64))
        frames = [canvases.step(step) for step in actions]
        assert (frames[-1] != blank).any()
        np.testing.assert_array_equal(canvases.canvas(), frames[-1])
        targets = np.roll(frames[-1], 1, axis=0)
        apart = ((frames[-1].astype(np.int64) - targets) ** 2).sum((1, 2, 3))
        np.testing.assert_array_equal(canvases.squared_distances(targets), apart)
        canvases.reset()
        np.testing.assert_array_equal(np.stack([canvases.step(step) for step in actions]), np.stack(frames))
        for step in actions:
            assert smaller.step(step).shape == (3, 32, 32, 3)
        objects = canvases.objects()
    alone = engine.draw(np.stack([np.resize(scene, (1, *scene.shape))[0] for scene in objects[:1]]), [len(objects[0])])
    np.testing.assert_array_equal(alone[0], frames[-1][0])


@needs_mujoco
def test_mujoco_reads_the_exported_scene() -> None:
    mujoco = mujoco_library.load()
    objects, counts = random_scenes(20)
    from spiral.engines.scenes.mjcf import mjcf  # noqa: PLC0415

    for scene, count in zip(objects, counts, strict=True):
        model = mujoco.MjModel.from_xml_string(mjcf(scene[:count].tolist()))
        assert model.ngeom == 2 + count
        assert model.ncam == 1


def raising(error: Exception) -> Callable[..., Any]:
    def call(*_: object, **__: object) -> Any:
        raise error

    return call


def module(**members: Any) -> ModuleType:
    made = ModuleType("mujoco")
    for name in mujoco_library.NEEDED:
        setattr(made, name, members.get(name, ModuleType("anything")))
    return made


HALF = ModuleType("mujoco")
NO_LIBRARY = module(
    MjModel=type("MjModel", (), {"from_xml_string": staticmethod(lambda _: None)}),
    Renderer=raising(AttributeError("'NoneType' object has no attribute 'OSMesaCreateContextExt'")),
)


@pytest.mark.parametrize(
    ("backend", "found", "sentence"),
    [
        ("egl", None, r"mujoco is not installed; get it with: .* install .*\[scenes\]"),
        ("directx", None, '"directx" is not one of egl, osmesa, glfw; leave it unset for egl'),
        ("egl", HALF, r"mujoco can't be imported \(it has no MjModel\); .*pip uninstall mujoco"),
        ("egl", ImportError("cannot import name 'x'"), r"mujoco can't be imported \(ImportError: cannot import name"),
        ("egl", AttributeError("no 'eglQueryString'"), r"can't draw with MUJOCO_GL=egl \(AttributeError: no 'eglQuery"),
        ("osmesa", NO_LIBRARY, r"can't draw with MUJOCO_GL=osmesa \(AttributeError: .*apt-get install libosmesa6"),
        ("EGL", NO_LIBRARY, r"can't draw with MUJOCO_GL=egl \(AttributeError: .*apt-get install libegl1"),
    ],
)
def test_what_is_missing_or_broken_is_a_sentence_with_the_remedy(
    monkeypatch: pytest.MonkeyPatch, backend: str, found: ModuleType | Exception | None, sentence: str
) -> None:
    monkeypatch.setenv("MUJOCO_GL", backend)
    monkeypatch.setenv("LP_NUM_THREADS", "0")
    if isinstance(found, Exception):
        monkeypatch.setattr(importlib, "import_module", raising(found))
    else:
        monkeypatch.setitem(sys.modules, "mujoco", found)
    mujoco_library.load.cache_clear()
    try:
        with pytest.raises(EngineMissingError, match=f'^engine "scenes": renderer: .*{sentence}'):
            create("scenes", {"renderer": "mujoco"})
        assert create("scenes", {}).version == "scenes 1", "what needs no MuJoCo is as it was"
    finally:
        mujoco_library.load.cache_clear()
