"""The data sets of the engine scenes: made from a seed, drawn when they are read, and known object by object."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from spiral.datasets import View, objects, registry
from spiral.datasets.prepared import Cache
from spiral.datasets.scenes import PACKED, Scenes
from spiral.engines import create

SMALL = Scenes(train=60, held_out=10, most=3)


def quiet(file: str, done_bytes: int, total_bytes: int | None) -> None:
    pass


def made(folder: Path, source: Scenes = SMALL) -> Path:
    source.get(folder, None, quiet)
    return folder


def test_pictures_are_those_of_the_objects_beside_them(tmp_path: Path) -> None:
    folder = made(tmp_path)
    data = SMALL.read(folder, View(64, 64, True), hold_out_validation=True)
    assert data.validation is not None
    assert (len(data.train), len(data.validation), len(data.test)) == (60, 10, 10)
    for split in ("train", "validation", "test"):
        scenes = SMALL.objects(folder, split)
        np.testing.assert_array_equal(data.split(split)[0], create("scenes", {}).draw(*scenes))
    whole = SMALL.read(folder, View(64, 64, True))
    np.testing.assert_array_equal(whole.train, np.concatenate([data.train, data.validation]))
    assert whole.checksum == data.checksum


def test_a_smaller_view_is_the_engines_own_and_a_prepared_one_too(tmp_path: Path) -> None:
    folder, view = made(tmp_path / "set"), View(32, 32, True)
    seen = SMALL.read(folder, view, hold_out_validation=True)
    scenes = SMALL.objects(folder, "test")
    np.testing.assert_array_equal(seen.test, create("scenes", {"view": 32}).draw(*scenes))
    prepared = SMALL.read(folder, view, Cache((tmp_path / "cache",), 0), hold_out_validation=True)
    np.testing.assert_array_equal(prepared.test, seen.test)
    assert prepared.checksum == SMALL.read(folder, View(128, 128, False)).checksum


def test_the_seed_decides_the_set_and_another_seed_replaces_it(tmp_path: Path) -> None:
    one, again = made(tmp_path / "one"), made(tmp_path / "again")
    assert (one / PACKED).read_bytes() == (again / PACKED).read_bytes()
    before = (one / PACKED).stat().st_mtime_ns
    made(one)
    assert (one / PACKED).stat().st_mtime_ns == before
    made(one, SMALL.seeded(1))
    assert (one / f"{PACKED}.before-1").read_bytes() == (again / PACKED).read_bytes()
    assert (SMALL.objects(one, "test").attributes != SMALL.objects(again, "test").attributes).any()


def test_by_its_name_and_what_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "sources", lambda: (SMALL, registry.Mnist()))
    registry.get("scenes", root=tmp_path, seed=5)
    found = objects("scenes", "validation", root=tmp_path)
    assert found is not None
    np.testing.assert_array_equal(found.counts, SMALL.objects(tmp_path / "scenes", "validation").counts)
    with pytest.raises(ValueError, match="--seed: mnist is not generated from a seed"):
        registry.get("mnist", root=tmp_path, seed=1)
    with np.load(tmp_path / "scenes" / PACKED) as arrays:
        damaged = {**arrays, "objects": arrays["objects"] + 4}
    np.savez(tmp_path / "scenes" / PACKED, **damaged)
    with pytest.raises(ValueError, match=r"scenes.npz: type: \d is outside 0…3.*; get it again"):
        SMALL.read(tmp_path / "scenes", View(64, 64, True))
    with pytest.raises(ValueError, match="80 scenes of up to 3 objects; expected more than 2000 of up to 5"):
        Scenes().read(tmp_path / "scenes", View(64, 64, True))
