"""``spiral reconstruct``: any picture in, program and pictures out, and a sentence for what is none."""

from __future__ import annotations

import dataclasses
import io
import re
import resource
import struct
import zlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from spiral.cli.main import main
from spiral.configuration.files import load_config
from spiral.datasets import load
from spiral.datasets.picture_file import read_picture
from spiral.engines.programs import Program, render
from spiral.evaluation.targets import mse
from spiral.launcher.lockstep import Lockstep, deterministic
from spiral.models.with_torch import load_trained
from spiral.reconstruction.targets import target_of
from spiral.runs.directory import Run
from spiral.runs.limits import Limits
from tests.support.launched import SMALL

SETTINGS = ["data=mnist-sample", "num_actions=3", *(f"{key}={value}" for key, value in SMALL.items())]


def make_run(runs: Path, name: str, preset: str, *settings: str) -> Run:
    run = Run(runs / name)
    run.path.mkdir(parents=True)
    config = load_config(preset, [*SETTINGS, *settings])
    run.config_file.write_text(config.to_yaml())
    with deterministic(threads=1):
        lockstep = Lockstep(config, run, Limits())
        lockstep.step()
        lockstep.finish()
    return run


@pytest.fixture(name="runs", scope="module")
def _runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    runs = tmp_path_factory.mktemp("runs")
    make_run(runs, "after", "mnist-reconstruct")
    make_run(runs, "nothing", "mnist")
    return runs


def digit() -> np.ndarray:
    return load("mnist-sample", 32).test[0, :, :, 0]


def test_the_best_attempt_is_written_as_program_picture_and_side_by_side(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, out = tmp_path / "seven.png", tmp_path / "out"
    Image.fromarray(digit()).save(file)
    arguments = ["reconstruct", str(file), "--run=after", f"--runs={runs}", f"--out={out}"]
    errors = {}
    for attempts in (1, 40):
        assert main([*arguments, f"--attempts={attempts}"]) == 0
        said = capsys.readouterr().out
        assert said.startswith("seven: 32×32, as the agent sees it; mse ")
        errors[attempts] = float(re.search(r"mse ([\d.]+), ssim -?[\d.]+, best of", said)[1])  # type: ignore[index]
    assert errors[40] < errors[1]
    assert {path.name for path in out.glob("[!.]*")} == {"seven.json", "seven.png", "seven-and-target.png"}
    trained = load_trained(Run(runs / "after"))
    canvas = render(Program.load(out / "seven.json"))
    np.testing.assert_array_equal(np.asarray(Image.open(out / "seven.png").convert("L")), canvas[0, :, :, 0])
    assert mse(trained.view(canvas), digit()[None, :, :, None])[0] == pytest.approx(errors[40], abs=1e-4)


def test_a_painting_is_refined_by_a_search(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, out = tmp_path / "seven.png", tmp_path / "out"
    Image.fromarray(digit()).save(file)
    assert main(["reconstruct", str(file), "--run=after", f"--runs={runs}", f"--out={out}", "--refine=80"]) == 0
    said = re.search(r"mse ([\d.]+), ssim -?[\d.]+, best of 16 at ([\d.]+), then 80 changes", capsys.readouterr().out)
    assert said is not None
    assert float(said[1]) < float(said[2])
    trained = load_trained(Run(runs / "after"))
    refined = trained.view(render(Program.load(out / "seven.json")))
    assert mse(refined, digit()[None, :, :, None])[0] == pytest.approx(float(said[1]), abs=1e-4)


def test_a_drawing_is_scaled_on_white_and_a_photograph_cut(runs: Path, tmp_path: Path) -> None:
    wide = np.zeros((40, 160), np.uint8)
    Image.fromarray(wide).save(tmp_path / "wide.png")
    trained = load_trained(Run(runs / "after"))
    picture = read_picture(tmp_path / "wide.png", 1)
    target = target_of(picture, trained)
    assert target.change == "160×40 → 32×32, scaled and centered on white"
    assert target.picture.shape == (32, 32, 1)
    assert (target.picture[12:20] == 0).all()
    assert (target.picture[:12] == 255).all()
    photographs = trained.config.model_copy(update={"data": "faces"})
    target = target_of(picture, dataclasses.replace(trained, config=photographs))
    assert target.change == "160×40 → 32×32, cut about its center and scaled"
    assert (target.picture == 0).all()
    assert target_of(picture, trained, "crop").change == target.change


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"no picture", "bad.png is not a readable picture"),
        (None, "bad.png is not a readable picture"),
        (b"", "bad.png is not a readable picture (it is empty)"),
        (np.zeros((1, 1), np.uint8), "bad.png is 1×1 pixels; expected at least 8×8"),
        (np.zeros((3000, 1), np.uint8), "bad.png is 1×3000 pixels; expected at least 8×8"),
    ],
)
def test_what_is_no_picture_is_a_sentence_and_leaves_nothing(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], content: object, said: str
) -> None:
    good, bad, out = tmp_path / "good.png", tmp_path / "bad.png", tmp_path / "out"
    Image.fromarray(digit()).save(good)
    if isinstance(content, bytes):
        bad.write_bytes(content)
    elif isinstance(content, np.ndarray):
        Image.fromarray(content).save(bad)
    assert main(["reconstruct", str(good), str(bad), "--run=after", f"--runs={runs}", f"--out={out}"]) == 2
    assert said in capsys.readouterr().err
    assert not out.exists()


def test_a_huge_picture_is_refused_before_it_is_decoded(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", 20_000, 20_000, 8, 0, 0, 0, 0)
    pixels = zlib.compress(bytes(20_001), 9)  # a row: nobody is to ask for the others
    content = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    (tmp_path / "huge.png").write_bytes(content)
    out = tmp_path / "out"
    assert main(["reconstruct", str(tmp_path / "huge.png"), "--run=after", f"--runs={runs}", f"--out={out}"]) == 2
    assert "huge.png has too many pixels; at most 67,108,864 are decoded" in capsys.readouterr().err


def test_a_folder_goes_on_past_a_bad_file_and_names_it_at_the_end(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, out = tmp_path / "pictures", tmp_path / "out"
    folder.mkdir()
    arguments = ["--run=after", f"--runs={runs}", f"--out={out}", "--attempts=1"]
    assert main(["reconstruct", str(folder), *arguments]) == 2
    assert "pictures holds no picture; expected files with .png, .jpg" in capsys.readouterr().err
    (folder / "a.png").write_bytes(b"")
    for name in ("b.gif", "c.JPG", "d.webp", "e.bmp", ".hidden.png"):
        Image.fromarray(digit()).save(folder / name)
    (folder / "notes.txt").write_text("no picture")
    assert main(["reconstruct", str(folder), *arguments]) == 2
    said = capsys.readouterr()
    assert [line.partition(":")[0] for line in said.out.splitlines()] == ["b", "c", "d", "e"]
    assert "images: 1 of 5 were skipped: a.png is not a readable picture (it is empty)" in said.err
    assert {path.name for path in out.glob("[!.]*.json")} == {"b.json", "c.json", "d.json", "e.json"}


def test_a_photo_is_painted_on_a_large_canvas(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wide = np.full((70, 150), 255, np.uint8)
    wide[20:50, 30:40] = 0
    Image.fromarray(wide).save(tmp_path / "wide.png")
    words = ["--run=after", f"--runs={runs}", f"--out={tmp_path / 'out'}", "--fit=tile", "--strokes=2"]
    assert main(["reconstruct", str(tmp_path / "wide.png"), *words]) == 0
    said = capsys.readouterr().out
    assert re.fullmatch(r"wide: 150×70 → 128×64, cut about its center and scaled; mse 0\.\d{4}, 2 strokes: .*\n", said)
    program = Program.load(tmp_path / "out" / "wide.json")
    assert render(program).shape == (1, 64, 128, 1)
    assert len(program.actions) == 4


def test_a_picture_comes_from_standard_input(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file, arguments = io.BytesIO(), ["--run=after", f"--runs={runs}", f"--out={tmp_path}", "--attempts=1"]
    Image.fromarray(digit()).save(file, "PNG")
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(file.getvalue())))
    assert main(["reconstruct", "-", *arguments]) == 0
    assert capsys.readouterr().out.startswith("stdin: 32×32, as the agent sees it; ")
    assert (tmp_path / "stdin.json").is_file()
    assert main(["reconstruct", "-", "-", *arguments]) == 2
    assert "- is standard input, which can be read only once" in capsys.readouterr().err


def test_targets_of_another_size_or_channels_or_none_are_refused(runs: Path) -> None:
    trained = load_trained(Run(runs / "after"))
    for targets, said in (
        (np.zeros((2, 16, 16, 1), np.uint8), r"targets: uint8 \[2, 16, 16, 1\]; expected uint8 \[2, 32, 32, 1\]"),
        (np.zeros((2, 32, 32, 3), np.uint8), r"targets: uint8 \[2, 32, 32, 3\]"),
        (np.zeros((1, 32, 32, 1), np.uint8), r"targets: uint8 \[1, 32, 32, 1\]"),
        (np.zeros((2, 32, 32, 1), np.float32), r"targets: float32"),
        (None, "this policy paints after targets and needs them"),
    ):
        with pytest.raises(ValueError, match=said):
            trained.paint(2, 0, targets)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="this policy paints from nothing and takes none"):
        load_trained(Run(runs / "nothing")).paint(2, 0, np.zeros((2, 32, 32, 1), np.uint8))


def test_exactly_one_of_run_and_model_says_who_paints(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.fromarray(digit()).save(tmp_path / "seven.png")
    for chosen in ([], ["--run=a", "--model=b"]):
        assert main(["reconstruct", str(tmp_path / "seven.png"), *chosen]) == 2
        assert "--run, --model: exactly one of them says who paints" in capsys.readouterr().err


def test_a_disk_that_takes_no_more_is_a_sentence_and_leaves_no_half(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.fromarray(digit()).save(tmp_path / "seven.png")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        arguments = ["--run=after", f"--runs={runs}", f"--out={tmp_path / 'out'}", "--attempts=1", "--device=cpu"]
        assert main(["reconstruct", str(tmp_path / "seven.png"), *arguments]) == 2
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "out can't be written: File too large" in capsys.readouterr().err
    assert list((tmp_path / "out").iterdir()) == []


def test_a_device_that_is_not_here_is_a_sentence(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    Image.fromarray(digit()).save(tmp_path / "seven.png")
    who = ["--run=after", f"--runs={runs}", "--device=cuda"]
    for command in (
        ["reconstruct", str(tmp_path / "seven.png"), f"--out={tmp_path / 'out'}"],
        ["paint", f"--out={tmp_path / 'out'}"],
        ["eval", f"--out={tmp_path / 'out'}"],
    ):
        assert main([*command, *who]) == 2
        assert 'device: "cuda" is not here' in capsys.readouterr().err
    assert {path.name for path in tmp_path.iterdir()} == {"seven.png"}


def test_a_run_without_targets_and_names_that_collide_are_sentences(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, out = tmp_path / "seven.png", tmp_path / "out"
    Image.fromarray(digit()).save(file)
    assert main(["reconstruct", str(file), "--run=nothing", f"--runs={runs}", f"--out={out}"]) == 2
    assert "it learned to paint from nothing and takes no target" in capsys.readouterr().err
    assert main(["reconstruct", str(file), "a/seven.jpg", "--run=after", f"--runs={runs}", f"--out={out}"]) == 2
    assert "seven, seven-and-target: several pictures would be written to one file" in capsys.readouterr().err
    words = ["reconstruct", str(file), "a/seven-and-target.png", "--run=after", f"--runs={runs}", f"--out={out}"]
    assert main(words) == 2
    assert "seven-and-target: several pictures would be written to one file" in capsys.readouterr().err
    assert not out.exists()
    before = file.read_bytes()
    assert main(["reconstruct", str(file), "--run=after", f"--runs={runs}", f"--out={tmp_path}"]) == 2
    assert "seven.png is one of the pictures and would be overwritten" in capsys.readouterr().err
    assert file.read_bytes() == before
