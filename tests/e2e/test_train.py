"""``spiral train`` with its four processes over sockets, from the first line to the last picture."""

from __future__ import annotations

import json
import re
import resource
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from spiral.cli.main import main
from spiral.engines.programs import Program, render
from spiral.models.with_torch import load_trained
from spiral.runs.checkpoints import CheckpointStore, read_latest
from tests.support.launched import PLAIN, Launched

pytestmark = pytest.mark.timeout(600)

Launch = Callable[..., Launched]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home directory of everything that the test starts, empty."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    for variable in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "MPLCONFIGDIR"):
        monkeypatch.delenv(variable, raising=False)
    return home


@pytest.fixture
def launch(tmp_path: Path, home: Path) -> Iterator[Launch]:
    """Starts ``spiral train``; all that it writes is to be in the run's directory."""
    launched: list[Launched] = []

    def start(*arguments: str) -> Launched:
        launched.append(Launched(tmp_path / "runs", *arguments))
        return launched[-1]

    yield start
    for run in launched:
        run.end()
    assert list(home.iterdir()) == []


def assert_nothing_is_left(run: Launched) -> None:
    assert run.services() == {}
    assert list(run.run.path.rglob("*.sock*")) == []
    assert run.run.trainer() == ""


def frames_on_disk(run: Launched) -> int:
    """Frames in the learner's newest checkpoint."""
    checkpoint = read_latest(run.run.checkpoints("learner"))
    return int(checkpoint.state.counters["frames"]) if checkpoint else 0


def test_a_run_learns_to_its_limit_ends_with_pictures_and_is_resumed(
    launch: Launch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = launch("--frames", "3000")
    assert first.wait() == 0, first.text() + first.logs()
    assert_nothing_is_left(first)
    assert first.frames() >= 3000
    (ending,) = first.objects("ending")
    assert ending["missing"] == []
    assert set(ending["files"]) == {
        "painted next to real",
        "one painting, stroke by stroke",
        "learning curve",
        "the same draws over time",
        "this run beside the model mnist",
    }
    for file in ending["files"].values():
        with Image.open(file) as picture:
            assert picture.getextrema() != ((0, 0),)
            # Strokes that change nothing share a frame.
            assert getattr(picture, "n_frames", 1) in (range(2, 7) if file.endswith(".gif") else (1,))
    assert ending["evaluation"]["n"] == 128
    assert {path.name for path in first.run.snapshots.iterdir()} == {
        f"{name}.safetensors" for name in ("start", "quarter-1", "quarter-2", "quarter-3", "end")
    }
    assert json.loads(first.run.machine_file.read_text())["threads"]["learner"] >= 1
    for service in ("learner", "discriminator"):
        settled = json.loads(first.run.precision_file(service).read_text())
        assert settled["precision"] in {"fp32", "bf16"}
        assert f"trains in {settled['precision']} on {settled['device']}: {settled['why']}" in first.logs()

    out = tmp_path / "samples.npz"
    assert main(["paint", "--run", "tiny", "--runs", str(first.run.path.parent), "--num", "5", "--out", str(out)]) == 0
    with np.load(out) as file:
        assert list(file) == ["images"]
        images = file["images"]
    assert images.shape == (5, 64, 64, 1)
    assert images.dtype == np.uint8
    programs = sorted((tmp_path / "samples.programs").glob("[0-9]*.json"))
    assert len(programs) == 5
    for image, program in zip(images, programs, strict=True):
        np.testing.assert_array_equal(render(Program.load(program))[-1], image)
    capsys.readouterr()
    assert main(["eval", "--run", "tiny", "--runs", str(first.run.path.parent), "--num", "100", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["figures"]["lenet_fid"]["value"] > 0

    second = launch("--frames", "4000")
    assert second.wait() == 0, second.text() + second.logs()
    assert any("goes on after" in event for event in second.objects("event"))
    assert second.frames() >= 4000
    assert load_trained(second.run).frames >= 4000


def test_sigterm_ends_a_run_with_a_checkpoint_and_pictures(launch: Launch) -> None:
    run = launch(PLAIN)
    run.until_painting()
    rival = launch()
    assert rival.wait() == 2
    assert f"in use by process {run.process.pid}" in rival.text()
    run.process.send_signal(signal.SIGTERM)
    assert run.wait() == 0, run.text() + run.logs()
    assert_nothing_is_left(run)
    assert len(run.objects("ending")[-1]["files"]) == 4
    assert load_trained(run.run).frames == run.frames()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 0), (signal.SIGHUP, 129)])
def test_a_signal_before_anything_is_ready_ends_cleanly_and_it_says_what_is_missing_where_one_looks(
    launch: Launch, number: int, code: int
) -> None:
    run = launch(PLAIN)
    run.until(run.services, "a first service")
    run.signal(number)
    assert run.wait() == code, run.text() + run.logs()
    assert_nothing_is_left(run)
    endings = run.objects("ending")
    assert not endings if code else "no checkpoint yet" in endings[-1]["missing"][0]


@pytest.mark.slow
def test_ctrl_c_while_painting_and_once_more_cuts_the_ending_short(launch: Launch) -> None:
    run = launch(PLAIN)
    run.until_painting()
    run.signal(signal.SIGINT)
    run.until(lambda: not run.services(), "the services to stop")
    run.signal(signal.SIGINT)
    assert run.wait() in (0, 130), run.text() + run.logs()
    assert_nothing_is_left(run)
    assert load_trained(run.run).frames == run.frames()


def test_a_killed_launcher_leaves_nothing_running_and_the_run_goes_on_past_a_damaged_checkpoint(launch: Launch) -> None:
    run = launch(PLAIN)
    run.until_painting()
    run.process.kill()
    run.process.wait()
    run.until_gone()
    assert load_trained(run.run).frames > 0
    store = CheckpointStore(run.run.checkpoints("learner"), keep=3)
    whole = store.latest()
    assert whole is not None
    (store.save(whole.state, whole.config) / "policy.safetensors").write_bytes(b"torn")
    again = launch("--frames", str(run.frames() + 500))
    assert again.wait() == 0, again.text() + again.logs()
    assert_nothing_is_left(again)
    log = (run.run.logs / "learner.log").read_text()
    assert re.search(rf"resumed {whole.path.name}: .*damaged", log), log


@pytest.mark.slow
def test_a_disk_that_fills_up_holds_learning_up_no_more_than_it_must(launch: Launch) -> None:
    """With four processes: nothing can be saved any more, so the run goes on, and says so with its exit code."""
    run = launch(PLAIN)
    run.until_painting()
    run.until(lambda: frames_on_disk(run) > 0, "a checkpoint that has learned")
    for name in ("learner", "discriminator"):
        pid = run.services()[name].pid
        _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (16 << 10, hard))  # the history's lines still fit
    log = run.run.logs / "learner.log"
    run.until(lambda: "not saved; the run goes on: " in log.read_text(), "the learner to say so")
    run.until_frames(run.frames() + 500)
    run.process.send_signal(signal.SIGTERM)
    assert run.wait() == 1, run.text() + run.logs()
    assert_nothing_is_left(run)
    assert "File too large" in run.text()
    assert 0 < frames_on_disk(run) < run.frames()


@pytest.mark.slow
def test_a_damaged_picture_is_named_before_there_is_a_run(launch: Launch, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    for n in range(20):
        picture = Image.fromarray(np.full((32, 32), 10 * n, np.uint8))
        picture.save(folder / f"{n:02d}.png")
    (folder / "07.png").write_bytes((folder / "07.png").read_bytes()[:40])
    run = launch(f"--set=data=folder:{folder}")
    assert run.wait() == 2
    assert not run.run.path.exists()
    assert "1 of 20 pictures cannot be used" in run.text()
    assert "07.png" in run.text()
    assert_nothing_is_left(run)


@pytest.mark.slow
def test_a_run_in_a_deep_folder_finds_a_short_place_for_its_sockets(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    run = Launched(deep, PLAIN, "--frames", "500")
    try:
        assert run.wait() == 0, run.text() + run.logs()
        assert_nothing_is_left(run)
    finally:
        run.end()


def test_a_run_in_one_process_ends_with_the_same_pictures(launch: Launch) -> None:
    run = launch(PLAIN, "--frames", "500", "--in-process")
    assert run.wait() == 0, run.text()
    assert run.services() == {}
    assert run.objects("ending")[-1]["missing"] == []
    assert load_trained(run.run).frames == run.frames() >= 500


def test_a_service_that_cannot_start_ends_the_run_with_its_sentence(
    launch: Launch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPIRAL_MAX_STREAMS", "0")
    run = launch(PLAIN)
    assert run.wait() == 1
    assert "renderer exited with code 2: a restart would end the same way" in run.text()
    assert "max_streams" in run.text()
    assert_nothing_is_left(run)
