"""A file is written whole or not at all, and no other file is touched."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from spiral.values.atomic_file import atomic_write


def test_what_fails_leaves_the_file_and_all_others_as_they_were(tmp_path: Path) -> None:
    path, neighbour = tmp_path / "run.yaml", tmp_path / ".run.yaml.part"
    path.write_text("old")
    neighbour.write_text("somebody's own")

    def fail() -> None:
        with atomic_write(path) as aside:
            aside.write_text("half")
            raise OSError("full")

    with pytest.raises(OSError, match="full"):
        fail()
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == {
        "run.yaml": "old",
        ".run.yaml.part": "somebody's own",
    }


def test_it_is_on_the_disk_before_it_takes_the_name_and_readable_as_any_new_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, synced, fsync = tmp_path / "run.yaml", [], os.fsync

    def note(descriptor: int) -> None:
        fsync(descriptor)
        synced.append(path.exists())

    monkeypatch.setattr(os, "fsync", note)
    with atomic_write(path) as aside:
        aside.write_text("new")
        assert not path.exists()
    plain = tmp_path / "plain"
    plain.touch()
    assert synced == [False]
    assert path.read_text() == "new"
    assert path.stat().st_mode == plain.stat().st_mode
    assert {file.name for file in tmp_path.iterdir()} == {"run.yaml", "plain"}


def test_a_name_as_long_as_can_be_is_no_obstacle(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 255)
    with atomic_write(path) as aside:
        aside.write_text("new")
    assert path.read_text() == "new"
