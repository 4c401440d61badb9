"""``spiral paint``: what is there afterwards is of this painting alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from spiral.cli.main import main
from spiral.models.with_torch import load_trained
from spiral.outputs import MANIFEST
from tests.support.trained_run import make_trained_run


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != MANIFEST)


def test_a_smaller_painting_leaves_nothing_of_a_larger_one_and_touches_nothing_else(tmp_path: Path) -> None:
    make_trained_run(tmp_path / "runs")
    out, programs = tmp_path / "digits", tmp_path / "digits.programs"

    def paint(num: int, seed: int, *more: str) -> None:
        command = ["paint", "--runs", str(tmp_path / "runs"), "--run", "tiny", "--out", str(out)]
        assert main([*command, "--num", str(num), "--seed", str(seed), *more]) == 0

    paint(3, seed=1)
    assert names(out) == ["00000.png", "00001.png", "00002.png"]
    for mine in (out / "mine.png", out / "20230412.png", out / "00002.png", programs / "12345678.json"):
        mine.write_bytes(b"the user's own, or edited")
    first = [(folder / names(folder)[0]).read_bytes() for folder in (out, programs)]
    paint(2, seed=2)
    assert names(out) == ["00000.png", "00001.png", "00002.png", "20230412.png", "mine.png"]
    assert names(programs) == ["00000.json", "00001.json", "12345678.json"]
    assert [(folder / names(folder)[0]).read_bytes() for folder in (out, programs)] != first
    assert names(tmp_path) == ["digits", "digits.png", "digits.programs", "runs"]
    with Image.open(tmp_path / "digits.png") as sheet:
        assert sheet.width > 2 * 64, "both pictures are on it, beside each other"
    as_learnt = (programs / "00000.json").read_bytes()
    paint(2, 2, "--temperature=0")
    assert (programs / "00000.json").read_bytes() != as_learnt
    paint(2, 2)
    assert (programs / "00000.json").read_bytes() == as_learnt


def test_what_was_painted_stays_where_the_next_painting_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make_trained_run(tmp_path / "runs")
    command = ["paint", "--runs", str(tmp_path / "runs"), "--run", "tiny", "--out", str(tmp_path / "digits")]
    assert main([*command, "--num", "2"]) == 0
    before = [path.read_bytes() for path in sorted(tmp_path.glob("digits*/*"))]
    sheet = (tmp_path / "digits.png").read_bytes()
    save = Image.Image.save

    def fail_at_the_second(image: Image.Image, path: Path) -> None:
        if path.stem != "00000":
            raise OSError(28, "No space left on device")
        save(image, path)

    monkeypatch.setattr(Image.Image, "save", fail_at_the_second)
    assert main([*command, "--num", "3", "--seed", "5"]) == 2
    assert "can't be written: No space left on device" in capsys.readouterr().err
    assert [path.read_bytes() for path in sorted(tmp_path.glob("digits*/*"))] == before
    assert (tmp_path / "digits.png").read_bytes() == sheet
    assert names(tmp_path) == ["digits", "digits.png", "digits.programs", "runs"]


def test_more_pictures_than_this_machine_can_hold_are_refused_before_one_is_painted(tmp_path: Path) -> None:
    trained = load_trained(make_trained_run(tmp_path))
    with pytest.raises(ValueError, match=r"10,000,000,000 pictures of 64×64 pixels need 8.,...\.. GB of memory, but"):
        trained.paint(10**10, seed=0)
