"""Scenes as files of other programs."""

from __future__ import annotations

import io
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from spiral.engines.exporting import Options, plan_export
from spiral.engines.programs import Program
from spiral.engines.scenes import Scenes, geometry
from spiral.engines.scenes.scene import actions_of
from spiral.engines.scenes.turning import FRAMES, turn, turning_gif

OBJECTS = np.array([[0, 0, 0, 0, 0, 0], [1, 255, 2, 3, 2, 1], [2, 17, 1, 1, 1, 1], [3, 100, 1, 0, 3, 0]], np.int32)


def test_mjcf_has_every_object_in_its_place() -> None:
    model = ElementTree.fromstring(Scenes.from_settings({}).formats()[".xml"](actions_of(OBJECTS)))
    geoms = model.findall("./worldbody/geom")
    assert [it.get("type") for it in geoms] == ["box", "box", "box", "sphere", "cylinder", "capsule"]
    assert [it.get("name") for it in geoms[:3]] == ["ground", "table", "object1"]
    assert geoms[2].get("pos") == "-0.9375 0.9375 0.12"
    assert geoms[3].get("pos") == "0.9375 -0.9375 0.27"
    assert geoms[3].get("rgba") == "1 0.75 0.5 1"
    camera = model.find("./worldbody/camera")
    assert camera is not None
    assert camera.get("name") == "scene"
    assert not {"orthographic", "projection"} & set(camera.attrib), "no name of it is known to all versions"


def test_a_turn_begins_with_the_fixed_camera_and_goes_around() -> None:
    frames = turn(OBJECTS, frames=4, side=64)
    here = Scenes.from_settings({"canvas": 128, "view": 64}).draw(OBJECTS[None], np.array([4]))[0]
    np.testing.assert_array_equal(frames[0], here)
    # From behind, the far corner's box is near and on the right; the table is symmetrical.
    blank = turn(OBJECTS[:0], frames=2, side=64)
    np.testing.assert_allclose(blank[0].astype(int), blank[1], atol=1)
    changed = (turn(OBJECTS[:1], frames=2, side=64)[1] != blank[1]).any(-1)
    rows, columns = np.nonzero(changed)
    assert rows.mean() > 40
    assert columns.mean() > 40


def test_the_turning_gif_is_endless() -> None:
    with Image.open(io.BytesIO(turning_gif(OBJECTS, frames=5, side=64))) as gif:
        assert gif.size == (64, 64)
        assert gif.n_frames == 5
        assert gif.info["loop"] == 0


def test_programs_are_saved_in_the_formats_of_their_engine(tmp_path: Path) -> None:
    program = Program("scenes", {}, actions_of(OBJECTS[:1]))
    program.save(tmp_path / "a.xml")
    assert (tmp_path / "a.xml").read_bytes() == Scenes.from_settings({}).formats()[".xml"](program.actions)
    for name, frames in (("a.gif", 1), ("a.turn.gif", FRAMES)):
        program.save(tmp_path / name)
        with Image.open(tmp_path / name) as gif:
            assert gif.n_frames == frames
    with pytest.raises(ValueError, match=r"^scale: a .turn.gif has no such option"):
        plan_export([program], tmp_path / "b.turn.gif", Options(scale=2))


def test_the_camera_is_a_rotation() -> None:
    camera = geometry.camera((0.6, 0.8))
    axes = np.array([camera.right, camera.up, camera.forward]) / np.array([[geometry.HALF_FIELD]] * 2 + [[1]])
    np.testing.assert_allclose(axes @ axes.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(axes) < 0  # right, up and away from the viewer
    assert np.linalg.norm(geometry.LIGHT) == 1
