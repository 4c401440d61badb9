"""The command line: what is wrong with the input is one sentence on standard error and exit code 2."""

from __future__ import annotations

import json
import re
import resource
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from spiral.cli.main import main
from spiral.configuration.files import load_config
from spiral.engines.programs import Program
from spiral.runs.directory import Run
from tests.support.counters import write_counters

PROGRAM = Program("mypaint", {"grid": 16, "view": 32}, np.array([[1, 40, 90, 1, 9], [1, 200, 30, 2, 5]]))


def refused(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    """Run a command that must be refused; the sentence."""
    assert main(argv) == 2
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    assert captured.err.startswith("spiral: ")
    assert captured.err.count("\n") == 1
    return captured.err


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """A folder with one run that has a configuration and a history, but no checkpoint."""
    run = Run(tmp_path / "runs" / "digits")
    run.path.mkdir(parents=True)
    run.config_file.write_text(load_config("demo").to_yaml())
    run.history_file.write_text('{"frames": 640, "seconds": 12.0, "score_real": 0.5}\n{"frames": 128')
    return run.path.parent


@pytest.mark.parametrize("command", ["train", "paint", "render", "eval", "status", "doctor", "data", "version"])
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    assert "Usage: spiral" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("command", "option", "said"),
    [
        ("train", "--minutes", "0.01<=x<=100000"),
        ("paint", "--num", "1<=x<=1000000"),
        ("paint", "--seed", "default: 0"),
        ("render", "--scale", "x>=1"),
        ("eval", "--num", "default: 4096"),
        ("status", "--runs", "default: runs"),
    ],
)
def test_help_says_ranges_and_defaults(
    command: str, option: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    main([command, "--help"])
    text = re.sub(r"\s+", " ", capsys.readouterr().out)
    assert said in text[text.index(option) :]


def test_an_unknown_command_or_option_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert "trian" in refused(capsys, "trian")
    assert "--presett" in refused(capsys, "train", "--presett", "demo")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--preset", "dmeo"], 'did you mean "demo"'),
        (["--preset", "nowhere.yaml"], "nowhere.yaml can't be read"),
        (["--set", "learner.reus=2"], 'did you mean "reuse"'),
        (["--set", "learner.reuse"], 'has no "="'),
        (["--set", "learner.reuse=many"], "learner.reuse"),
        (["--set", "learner.queue=0"], "learner.queue"),
        (["--set", "actor.batch=48"], "does not divide"),
        (["--run", "../out"], "can't be a run's name"),
        (["--minutes", "1", "--frames", "9"], "one limit"),
        (["--minutes", "-1"], "--minutes"),
        (["--judge", "10"], "too few"),
        (["--threads", "painter=2"], "names no service"),
        (["--threads", "learner=0"], "1 to 256"),
        (["--device", "tpu"], "--device"),
        (["--device", "cuda", "--in-process"], "lockstep computes on the CPU"),
        (["--precision", "bf16", "--in-process"], "lockstep computes in fp32"),
    ],
)
def test_train_refuses_wrong_wishes_and_leaves_nothing_behind(
    arguments: list[str], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sentence in refused(capsys, "train", "--runs", str(tmp_path / "runs"), *arguments)
    assert not (tmp_path / "runs").exists()


def test_train_refuses_another_preset_or_a_change_that_the_checkpoints_cannot_follow(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_counters(Run(runs / "digits"), 64)
    common = ("train", "--runs", str(runs), "--run", "digits")
    assert 'made with preset "demo", not "mnist"' in refused(capsys, *common, "--preset", "mnist")
    assert "policy.width: 512 does not fit" in refused(capsys, *common, "--set", "policy.width=512")
    assert load_config(str(runs / "digits" / "config.yaml")) == load_config("demo")


def test_train_starts_nothing_where_its_limit_was_reached_before(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_counters(Run(runs / "digits"), 640)
    assert main(["train", "--runs", str(runs), "--run", "digits", "--frames", "100", "--judge", "0"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [next(iter(line)) for line in lines] == ["event", "event", "ending"]
    assert lines[1]["event"].startswith("--frames 100: this limit was reached before, at 640 frames")
    assert not (runs / "digits" / "logs").exists()


def test_train_refuses_pictures_that_cannot_be_learnt_from_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SPIRAL_DATA", str(tmp_path / "data"))
    mine = tmp_path / "mine"
    mine.mkdir()
    common = ("train", "--preset", "mnist", "--runs", str(tmp_path / "runs"))
    assert "mnist is not in" in refused(capsys, *common)
    own = (*common, "--set", f"data=folder:{mine}")
    assert "0 PNG or JPEG pictures; expected at least 16" in refused(capsys, *own)
    for number in range(20):
        Image.new("L", (32, 32), number).save(mine / f"{number:02}.png")
    for content, said in (
        (Image.new("L", (40, 32)), "2 different sizes; most are 32×32, but 07.png is 40×32"),
        (Image.new("L", (1, 1)), "07.png is 1×1 pixels; expected at least 8×8"),
    ):
        content.save(mine / "07.png")
        assert said in refused(capsys, *own)
    (mine / "07.png").write_text("a letter")
    assert "1 of 20 pictures cannot be used: 07.png is not a readable picture" in refused(capsys, *own)
    assert not (tmp_path / "runs").exists()


def test_train_refuses_a_folder_that_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "runs").write_text("a file")
    assert "can't be written" in refused(capsys, "train", "--runs", str(tmp_path / "runs"))


def test_train_refuses_a_folder_on_a_read_only_file_system(capsys: pytest.CaptureFixture[str]) -> None:
    if not Path("/proc/sys").is_dir():
        pytest.skip("no file system here refuses to make a folder")
    assert "can't be written" in refused(capsys, "train", "--runs", "/proc/sys/runs")


def test_commands_name_the_runs_there_are(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in (["paint", "--out", str(runs / "x.npz")], ["eval"], ["status"]):
        text = refused(capsys, *command, "--run", "digit", "--runs", str(runs))
        assert 'there is no run "digit"' in text
        assert "runs there: digits" in text


def test_painting_without_a_checkpoint_is_refused(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = refused(capsys, "paint", "--run", "digits", "--runs", str(runs), "--out", str(runs / "x.npz"))
    assert "no checkpoint yet; train it with: spiral train --run digits" in text
    assert not (runs / "x.npz").exists()


@pytest.mark.parametrize(("out", "sentence"), [("x.jpg", "neither a .npz file nor a folder"), ("file", "is a file")])
def test_paint_refuses_an_output_that_it_cannot_make(
    out: str, sentence: str, runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (runs / "file").write_text("")
    assert sentence in refused(capsys, "paint", "--run", "digits", "--runs", str(runs), "--out", str(runs / out))


def test_status_reads_the_history_past_a_torn_line(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--runs", str(runs), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "run": "digits",
        "preset": "demo",
        "frames": 640,
        "seconds": 12.0,
        "score_real": 0.5,
        "pid": "",
    }
    assert main(["status", "--runs", str(runs)]) == 0
    assert "digits" in capsys.readouterr().out


def test_status_of_a_run_that_cannot_be_read_hides_no_other(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (runs / "old").mkdir()
    (runs / "old" / "config.yaml").write_text("learner: {was_once: 1}\n")
    assert main(["status", "--runs", str(runs), "--json"]) == 0
    good, old = map(json.loads, capsys.readouterr().out.splitlines())
    assert (good["run"], old["run"]) == ("digits", "old")
    assert str(runs / "old" / "config.yaml") in old["error"]
    assert 'learner."was_once" is unknown' in old["error"]
    assert "was_once" in refused(capsys, "status", "--run", "old", "--runs", str(runs))
    (runs / "old" / "config.yaml").write_text("data: [/of/mine\n")  # the message quotes it
    assert main(["status", "--runs", str(runs)]) == 0
    printed = capsys.readouterr().out
    assert "digits" in printed
    assert "unreadable" in printed


def test_render_replays_a_program(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    PROGRAM.save(tmp_path / "p.json")
    for name, count in (("x.png", 1), ("x.gif", 2), ("x.npz", 1)):
        assert main(["render", str(tmp_path / "p.json"), "--scale", "2", "--out", str(tmp_path / name)]) == 0
        assert f"{count} picture" in capsys.readouterr().out
    images = np.load(tmp_path / "x.npz")["images"]
    assert images.shape == (1, 128, 128, 1)
    assert images.dtype == np.uint8
    assert images.min() < 50
    assert images.max() > 250


def test_render_exports_strokes_and_says_what_an_svg_can_not_show(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    PROGRAM.save(tmp_path / "p.json")
    command = ["render", str(tmp_path / "p.json"), "--brush", "classic/charcoal", "--first", "1", "--width-mm", "80"]
    assert main([*command, "--optimise", "--out", str(tmp_path / "x.svg")]) == 0
    said = capsys.readouterr()
    assert re.search(r"x.svg: 1 stroke in 1 layer, 80×80 mm; pen-up travel \d+ mm, \d+ mm before\n$", said.out)
    assert said.err.count("\n") == 1
    assert 'the brush "classic/charcoal" has a texture' in said.err


def test_render_makes_a_sheet_of_several_programs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    PROGRAM.save(tmp_path / "p.json")
    program = str(tmp_path / "p.json")
    assert main(["render", program, program, program, "--sheet", "--out", str(tmp_path / "x.png")]) == 0
    assert "a sheet of 3 pictures of 64×64" in capsys.readouterr().out
    assert "expected sheet" in refused(capsys, "render", program, program, "--out", str(tmp_path / "y.png"))


def test_render_keeps_alpha_in_a_png_and_says_that_a_gif_has_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = {"grid": 8, "colour": True, "alpha": True, "background": "transparent"}
    Program("mypaint", settings, np.array([[1, 63, 7, 2, 9, 19, 0, 0]])).save(tmp_path / "p.json")
    for name, said in (("x.png", "64×64\n"), ("x.gif", "64×64, on white: a GIF has no alpha\n")):
        assert main(["render", str(tmp_path / "p.json"), "--out", str(tmp_path / name)]) == 0
        assert capsys.readouterr().out.endswith(said)
    with Image.open(tmp_path / "x.png") as picture:
        assert picture.mode == "RGBA"
        assert picture.getextrema()[3] == (0, 255)


def test_render_refuses_what_it_cannot_read_or_write(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program = tmp_path / "p.json"
    PROGRAM.save(program)
    out = str(tmp_path / "x.png")
    assert "the ending of" in refused(capsys, "render", str(program), "--out", str(tmp_path / "x.bmp"))
    assert "there is no file" in refused(capsys, "render", str(tmp_path / "q.json"), "--out", out)
    assert "scale" in refused(capsys, "render", str(program), "--scale", "200", "--out", out)
    Program("mypaint", {"canvas": 512, "grid": 16}, PROGRAM.actions.repeat(3, 0)).save(tmp_path / "large.json")
    gif = refused(capsys, "render", str(tmp_path / "large.json"), "--scale", "16", "--out", str(tmp_path / "x.gif"))
    assert "scale: 16 makes 6 pictures of 8192×8192, 402,653,184 pixels in all, but a GIF gets at most" in gif
    assert "scale" in refused(capsys, "render", str(program), "--scale", "0", "--out", out)
    svg = str(tmp_path / "x.svg")
    assert "width-mm" in refused(capsys, "render", str(program), "--width-mm", "0", "--out", svg)
    assert "scale: a .svg has no such option" in refused(capsys, "render", str(program), "--scale", "2", "--out", svg)
    assert '"classic/pem"' in refused(capsys, "render", str(program), "--brush", "classic/pem", "--out", out)
    newer = tmp_path / "newer.json"
    newer.write_text(program.read_text().replace("spiral-program/2", "spiral-program/3"))
    assert "newer spiral-painter" in refused(capsys, "render", str(newer), "--out", out)
    other = tmp_path / "other.json"
    other.write_text(program.read_text().replace('"engine_version": ""', '"engine_version": "squares 1"'))
    assert 'painted with "squares 1"' in refused(capsys, "render", str(other), "--strict", "--out", out)
    assert not list(tmp_path.glob("x*"))
    program.write_text(program.read_text().replace("200", "256"))
    assert 'component "end"' in refused(capsys, "render", str(program), "--out", out)
    program.write_text("{")
    assert "not JSON" in refused(capsys, "render", str(program), "--out", out)


def test_doctor_finds_what_is_there_and_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Run(tmp_path / "blank")
    run.path.mkdir()
    run.config_file.write_text(load_config("demo", ["engine.settings.brush=deevad/spray"]).to_yaml())
    assert main(["doctor", "--runs", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert re.search(r"^. ink .*run blank: the brush \"deevad/spray\" leaves nothing", out, re.MULTILINE)
    for subject in ("Python", "libmypaint", "brushes", "sockets", "ports", "cores", "memory", "torch", "GPU"):
        assert re.search(rf"^. {subject} ", out, re.MULTILINE), subject
    monkeypatch.setenv("SPIRAL_BRUSHES", str(tmp_path / "none"))
    assert main(["doctor", "--runs", str(tmp_path)]) == 1
    assert "SPIRAL_BRUSHES" in capsys.readouterr().out


def test_data_says_what_is_there_and_how_to_get_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SPIRAL_DATA", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "400")
    assert main(["data", "list"]) == 0
    listed = capsys.readouterr().out
    assert "mnist-sample" in listed
    assert "[faces]" in listed, "the extra's name is no style"
    assert main(["data", "check", "mnist-sample"]) == 0
    assert "8,997 training, 1,003 validation and 1,000 test pictures" in capsys.readouterr().out
    assert "spiral data get mnist" in refused(capsys, "data", "check", "mnist")
    assert "mnist" in refused(capsys, "data", "check", "mnits")
    assert "no such directory" in refused(capsys, "data", "get", "mnist", "--from", str(tmp_path / "none"))


@pytest.mark.parametrize("name", ["x.npz", "x.png", "x.gif", "x.svg", "x.mp4"])
def test_a_disk_that_takes_no_more_is_a_sentence_and_leaves_what_was_there(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if name.endswith(".mp4"):
        pytest.importorskip("av")
    PROGRAM.save(tmp_path / "p.json")
    (tmp_path / name).write_bytes(b"of an earlier painting")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        text = refused(capsys, "render", str(tmp_path / "p.json"), "--out", str(tmp_path / name), "--overwrite")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "can't be written: File too large" in text
    assert (tmp_path / name).read_bytes() == b"of an earlier painting"
    assert {path.name for path in tmp_path.iterdir()} == {"p.json", name}


@pytest.mark.parametrize(
    "call",
    [
        "from spiral.cli.main import main; main(['version'])",
        "from spiral.services.renderer.__main__ import main; main(['--listen=nowhere'])",
    ],
    ids=["spiral", "a service"],
)
def test_at_its_end_a_program_collects_no_garbage_that_is_thrown_away_anyway(call: str) -> None:
    last = "import atexit, gc; atexit.register(lambda: print('spared', gc.get_freeze_count()))"  # registered first
    done = subprocess.run([sys.executable, "-c", f"{last}; {call}"], capture_output=True, text=True, check=True)
    assert int(done.stdout.rpartition("spared ")[2]) > 1000


def test_a_name_that_no_file_can_have_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = "a" * 300 + ".json"
    text = refused(capsys, "render", str(tmp_path / name), "--out", str(tmp_path / "a.png"))
    assert f"{name}: the name is too long; expected" in text


def test_an_interrupt_while_modules_load_leaves_no_traceback() -> None:
    program = """
import os, signal, sys

class Interrupts:
    def find_spec(self, name, path, target=None):
        if name == "spiral.cli.main":
            os.kill(os.getpid(), signal.SIGINT)

signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever runs the tests may ignore it
sys.meta_path.insert(0, Interrupts())
from spiral.__main__ import main
main()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (-signal.SIGINT, "")
