"""A command deletes and overwrites no file that it is not known to have written, and that nobody has changed since."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from spiral.cli.main import main
from spiral.engines.programs import Program
from spiral.outputs import MANIFEST, ours, refuse_to_overwrite, remember

COMMANDS = {
    "paint --model mnist --num 3 --out scans": ["scans/00002.png"],
    "paint --model mnist --num 3 --out scans ": ["scans.programs/00000.json"],
    "paint --model mnist --num 3 --out  scans": ["scans.png"],
    "paint --model mnist --num 3 --out mine.npz": ["mine.npz"],
    "render program.json --out mine.gif": ["mine.gif"],
    "reconstruct one.png two.png --model mnist-reconstruct --out mine": ["mine/two.json", "mine/one-and-target.png"],
    "eval --model mnist --out mine": ["mine/evaluation.json"],
    "k8s samples --out mine.png": ["mine.png"],
    "conformance renderer --target unix:/nowhere --report mine.json": ["mine.json"],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_that_would_overwrite_the_users_files_is_refused(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Program("mypaint", {}, np.zeros((1, 8), np.int32)).save(Path("program.json"))
    for name in COMMANDS[command]:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text("the user's own")
    assert main(command.split()) == 2
    said = capsys.readouterr().err
    assert all(name in said for name in COMMANDS[command])
    assert "would be overwritten" in said
    assert "--overwrite" in said
    assert all(Path(name).read_text() == "the user's own" for name in COMMANDS[command])


@pytest.mark.parametrize("command", ["eval --model mnist --out mine", "render program.json --out mine.png --overwrite"])
def test_a_folder_where_a_file_would_be_is_named_as_one(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Program("mypaint", {}, np.zeros((1, 8), np.int32)).save(Path("program.json"))
    for folder in ("mine/evaluation.json", "mine.png"):
        Path(folder).mkdir(parents=True)
    assert main(command.split()) == 2
    assert " is a folder; expected a file\n" in capsys.readouterr().err


def test_a_file_is_ours_until_it_is_changed(tmp_path: Path) -> None:
    written, edited, gone = files = [tmp_path / name for name in ("a.png", "b.png", "c.png")]
    for file in files:
        file.write_bytes(b"painted")
    remember(files)
    edited.write_bytes(b"edited")
    gone.unlink()
    assert ours(tmp_path) == {"a.png"}
    refuse_to_overwrite([written, gone])
    with pytest.raises(ValueError, match=r"^out: .*b\.png would be overwritten"):
        refuse_to_overwrite(files)
    refuse_to_overwrite(files, overwrite=True)
    edited.write_bytes(b"painted again")
    remember([edited])
    assert ours(tmp_path) == {"a.png", "b.png"}


@pytest.mark.parametrize("text", ["", "[]", '{"format": 2}', '{"format": 1, "sha256": []}', '{"sha256": {"a": ""}}'])
def test_of_a_manifest_that_can_not_be_read_nothing_is_ours(tmp_path: Path, text: str) -> None:
    (tmp_path / MANIFEST).write_text(text)
    (tmp_path / "a").write_text("")
    assert ours(tmp_path) == set()


def test_a_manifest_leads_to_no_other_folder(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    (tmp_path / "mine.png").write_bytes(b"x")
    remember([tmp_path / "mine.png"])
    (digest,) = json.loads((tmp_path / MANIFEST).read_text())["sha256"].values()
    (folder / MANIFEST).write_text(json.dumps({"format": 1, "sha256": {"../mine.png": digest}}))
    assert ours(folder) == set()
