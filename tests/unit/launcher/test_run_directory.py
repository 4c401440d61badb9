"""A run's directory: one owner at a time, the stored configuration kept, nothing lost by beginning anew."""

from __future__ import annotations

import json
import os
import shutil
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from spiral.computing.machine import usable_cores, usable_memory_bytes
from spiral.launcher import configuration, run_directory, threads
from spiral.launcher.final_pictures import MOMENTS
from spiral.launcher.options import TrainOptions
from spiral.launcher.run_directory import open_run
from spiral.launcher.sockets import LONGEST_NAME, socket_directory
from spiral.models import DISCRIMINATOR, POLICY, find_model
from spiral.runs.directory import Run
from spiral.wire.addresses import MAX_SOCKET_PATH_BYTES
from tests.support.counters import write_counters

SAMPLE = ("data=mnist-sample",)
"""What is there without a download."""


def ask(runs: Path, **options: object) -> TrainOptions:
    return TrainOptions(runs, **options)  # type: ignore[arg-type]


def test_a_new_run_stores_its_configuration_and_a_resumed_one_keeps_it(tmp_path: Path) -> None:
    first = open_run(ask(tmp_path, preset="demo", name="a", settings=("learner.reuse=3",)))
    first.remember_machine({"cores": 2, "threads": {"learner": 2}})
    first.close()
    second = open_run(ask(tmp_path, name="a"))
    assert second.config == first.config
    assert second.config.learner.reuse == 3
    assert second.machine == {"cores": 2, "threads": {"learner": 2}}
    assert "goes on" in second.report[0]
    second.close()


def test_a_run_that_somebody_else_made_meanwhile_is_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take_lock = run_directory.take_lock

    def take_it_late(path: Path, clock: Callable[[], float]) -> int:
        monkeypatch.setattr(run_directory, "take_lock", take_lock)
        open_run(ask(tmp_path, name="a", settings=("learner.reuse=3",))).close()
        return take_lock(path, clock)

    monkeypatch.setattr(run_directory, "take_lock", take_it_late)
    opened = open_run(ask(tmp_path, name="a"))
    opened.close()
    assert opened.config.learner.reuse == 3


def test_a_setting_that_the_checkpoints_can_follow_is_changed_and_said(tmp_path: Path) -> None:
    open_run(ask(tmp_path, preset="demo", name="a")).close()
    second = open_run(ask(tmp_path, name="a", settings=("learner.learning_rate=1e-4",)))
    assert second.report[1] == "learner.learning_rate was 0.0015 and is 0.0001 from now on"
    second.close()
    third = open_run(ask(tmp_path, name="a"))
    assert third.config.learner.learning_rate == 1e-4
    third.close()


def test_a_file_that_was_changed_since_is_read_again_and_held_to_what_the_checkpoints_can_follow(
    tmp_path: Path,
) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("learner: {learning_rate: 0.001}")
    open_run(ask(tmp_path, preset=str(file))).close()
    file.write_text("learner: {learning_rate: 0.002}")
    second = open_run(ask(tmp_path, preset=str(file)))
    assert second.run.name == "mine"
    assert second.report[1:] == ["learner.learning_rate was 0.001 and is 0.002 from now on"]
    assert second.run.config().learner.learning_rate == 0.002
    second.close()
    write_counters(second.run, 64)
    file.write_text("num_actions: 7")
    with pytest.raises(ValueError, match=r'^num_actions: 7 does not fit the run "mine", which has learned with 20'):
        open_run(ask(tmp_path, preset=str(file)))
    file.unlink()
    with pytest.raises(ValueError, match="can't be read"):
        open_run(ask(tmp_path, preset=str(file)))


def test_a_limit_that_was_reached_before_is_said_and_nothing_is_changed(tmp_path: Path) -> None:
    first = open_run(ask(tmp_path, name="a"))
    first.close()
    first.run.snapshots.mkdir()
    (first.run.snapshots / "end.safetensors").write_bytes(b"")
    write_counters(first.run, 81_024)
    before = {path: path.stat().st_mtime_ns for path in first.run.path.rglob("*") if path != first.run.lock_file}
    for frames in (50_000, 81_024):
        second = open_run(ask(tmp_path, name="a", frames=frames, settings=("learner.learning_rate=1e-4",)))
        assert second.reached
        assert second.report[1].startswith(f"--frames {frames}: this limit was reached before, at 81,024 frames")
        second.close()
    after = {path: path.stat().st_mtime_ns for path in first.run.path.rglob("*") if path != first.run.lock_file}
    assert after == before
    third = open_run(ask(tmp_path, name="a", frames=81_025))
    assert (third.reached, third.learnt.frames) == (False, 81_024)
    third.close()


def test_schedules_go_on_or_begin_anew_and_it_is_said(tmp_path: Path) -> None:
    """Those of a run whose learning rate falls by frames are not spoken of, and can't be restarted."""
    open_run(ask(tmp_path, name="a")).close()
    write_counters(Run(tmp_path / "a"), 600, schedule={"share": 1.0, "began": 0}, elapsed_s=300.0)
    second = open_run(ask(tmp_path, name="a"))
    assert (second.schedule_from, second.learnt.run_share, second.learnt.elapsed_s) == (0, 1.0, 300.0)
    assert any("stay there; --restart-schedule begins them again" in sentence for sentence in second.report)
    second.close()
    third = open_run(ask(tmp_path, name="a", restart_schedule=True))
    assert third.schedule_from == 600
    assert any("its schedules begin again" in sentence for sentence in third.report)
    third.close()
    by_frames = ("learner.learning_rate_frames=800000",)
    with pytest.raises(ValueError, match="--restart-schedule: this run has no schedule over the run"):
        open_run(ask(tmp_path, name="a", restart_schedule=True, settings=by_frames))
    fourth = open_run(ask(tmp_path, name="a", settings=by_frames))
    assert not any("its schedules" in sentence for sentence in fourth.report)
    fourth.close()


def test_what_was_learnt_after_the_last_checkpoint_is_said_to_be_lost(tmp_path: Path) -> None:
    first = open_run(ask(tmp_path, name="a"))
    first.close()
    write_counters(first.run, 49_152)
    write_counters(first.run, 99_999, number=2)
    (first.run.checkpoints("learner") / "checkpoint-00000002" / "counters.json").write_text("damaged")
    first.run.history_file.write_text('{"frames": 81024}\n')
    second = open_run(ask(tmp_path, name="a"))
    said = "goes on after 49,152 learned frames; the 31,872 that it learned after its last checkpoint are lost"
    assert second.report[0].endswith(said)
    second.close()


WRONG_ENGINES = {
    "engine.settings.brush=classic/penn": "classic/penn",
    "engine.settings.grid=1": "grid: expected 4…1024 places each way, but it is 1",
    "engine.settings.canvas=100": "canvas: 100 × 100 is not made of 64-pixel tiles",
    "engine.settings.brsh=classic/pen": "brsh: ",
    "engine.name=mypain": 'engine: "mypain" is unknown',
    "engine.brush=classic/pen": '"brush" is unknown',
    "engine.settings.brush=~nobody-here/pen.myb": "there is no file ",
    "learner.entropy_costs={flug: 0.01}": "unknown components ['flug']; this engine has ('flag',",
    "learner.terms={foo: 1}": "['foo'] not answered by the discriminator; it has ['discriminator']",
    "discriminator.channels=[8, 8, 8, 8, 8, 8]": "6 convolutions, each of which halves the picture, leave nothing",
    "learner.reuse=99": "learner.reuse: input should be less than or equal to 16, but it is 99",
}


@pytest.mark.parametrize("setting", WRONG_ENGINES)
def test_a_slip_in_a_setting_names_it_and_leaves_no_run(setting: str, tmp_path: Path) -> None:
    settings = ("learner.queue=3", setting, "engine.settings.colour=false")
    with pytest.raises(ValueError) as refused:  # noqa: PT011  (the whole sentence is looked at)
        open_run(ask(tmp_path / "runs", name="a", settings=settings))
    assert str(refused.value).startswith(f"--set {setting}: ")
    assert WRONG_ENGINES[setting] in str(refused.value)
    assert not (tmp_path / "runs").exists()


def test_a_lattice_for_replay_makes_no_run(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"grid=100: .* a lattice of 100 × 100 places is for replay only"):
        open_run(ask(tmp_path / "runs", name="a", settings=("engine.settings.grid=100",)))
    assert not (tmp_path / "runs").exists()


def test_no_run_is_made_among_other_files(tmp_path: Path) -> None:
    (tmp_path / "a" / "pictures").mkdir(parents=True)
    with pytest.raises(ValueError, match=r"a is not a run: it has no config\.yaml, but pictures; choose another name"):
        open_run(ask(tmp_path, name="a"))
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["pictures"]
    (tmp_path / "a" / "pictures").rmdir()
    open_run(ask(tmp_path, name="a")).close()  # an empty folder, or what is left of a start that was killed


def test_a_run_that_has_learnt_nothing_may_be_changed_in_everything(tmp_path: Path) -> None:
    first = open_run(ask(tmp_path, name="a", settings=("engine.settings.grid=16",)))
    first.close()
    first.run.engine_file.write_text("{}")
    write_counters(first.run, 0)
    with pytest.raises(ValueError, match=r"^--set engine\.settings\.grid=1: "):
        open_run(ask(tmp_path, name="a", settings=("engine.settings.grid=1",)))
    second = open_run(ask(tmp_path, name="a", settings=("engine.settings.grid=32",)))
    assert second.config.engine.settings["grid"] == 32
    (kept,) = tmp_path.glob("a-before-*/checkpoints/learner/*")
    assert str(kept.parents[2]) in second.report[1]
    assert not second.run.engine_file.exists(), "another engine is asked for again"
    second.close()
    write_counters(second.run, 64)
    with pytest.raises(ValueError, match=r"^--set engine\.settings\.grid=16: .* does not fit the run"):
        open_run(ask(tmp_path, name="a", settings=("engine.settings.grid=16",)))


def test_checkpoints_that_can_not_be_read_are_no_run_that_has_learnt_nothing(tmp_path: Path) -> None:
    first = open_run(ask(tmp_path, name="a"))
    first.close()
    (first.run.checkpoints("learner") / "checkpoint-00000001").mkdir(parents=True)
    with pytest.raises(ValueError, match="does not fit the run"):
        open_run(ask(tmp_path, name="a", settings=("policy.width=512",)))


def test_a_second_owner_is_refused_and_told_who_the_first_is(tmp_path: Path) -> None:
    first = open_run(ask(tmp_path, name="a"))
    with pytest.raises(ValueError, match=rf'"a" is in use by process {os.getpid()}, which trains it'):
        open_run(ask(tmp_path, name="a"))
    assert first.run.trainer() == str(os.getpid())
    first.close()
    assert first.run.trainer() == ""
    open_run(ask(tmp_path, name="a")).close()


@pytest.fixture
def orphaned(tmp_path: Path) -> Iterator[tuple[Path, subprocess.Popen[bytes]]]:
    """A run whose launcher is gone while a service that has inherited the lock still lives."""
    opened = open_run(ask(tmp_path, name="a"))
    service = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=[opened.lock])
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    os.pwrite(opened.lock, f"{ended.pid:<16}\n".encode(), 0)
    opened.close()
    yield tmp_path, service
    service.kill()
    service.wait()


def test_services_that_outlive_their_launcher_are_waited_for(
    orphaned: tuple[Path, subprocess.Popen[bytes]],
) -> None:
    runs, service = orphaned
    asked = 0

    def clock() -> float:
        nonlocal asked
        asked += 1
        if asked == 3:
            service.kill()
            service.wait()
        return 0.0

    open_run(ask(runs, name="a"), clock).close()
    assert asked >= 3


def test_services_that_outlive_their_launcher_for_too_long_are_named(
    orphaned: tuple[Path, subprocess.Popen[bytes]],
) -> None:
    times = iter([0.0, 1.0, 1000.0])
    with pytest.raises(ValueError, match="whose services still stop"):
        open_run(ask(orphaned[0], name="a"), lambda: next(times))


def test_fresh_keeps_what_was_there_under_another_name(tmp_path: Path) -> None:
    first = open_run(ask(tmp_path, preset="mnist", name="a", settings=(*SAMPLE, "learner.reuse=3")))
    first.run.history_file.write_text("{}\n")
    first.close()
    second = open_run(ask(tmp_path, name="a", fresh=True, settings=SAMPLE))
    (kept,) = tmp_path.glob("a-before-*")
    assert str(kept) in second.report[0]
    assert (kept / "history.jsonl").read_text() == "{}\n"
    assert second.config.learner.reuse == 2
    assert second.config.preset == "mnist", "the run's own"
    assert second.run.history() == []
    second.close()


def test_a_fresh_run_whose_configuration_names_no_preset_asks_for_one(tmp_path: Path) -> None:
    first = open_run(ask(tmp_path, preset="mnist", name="a", settings=SAMPLE))
    first.close()
    first.run.config_file.write_text("learner: [")
    with pytest.raises(ValueError, match='"a" names no preset'):
        open_run(ask(tmp_path, name="a", fresh=True))
    second = open_run(ask(tmp_path, name="a", preset="demo", fresh=True))
    assert second.config.preset == "demo"
    second.close()


def test_what_a_start_left_that_came_to_nothing_does_not_begin_the_next(tmp_path: Path) -> None:
    run = Run(tmp_path / "a")
    run.path.mkdir()
    for file in (run.initial_file, run.initial_card_file, run.initial_discriminator_file):
        file.write_text("of a model")
    opened = open_run(ask(tmp_path, name="a"))
    assert not list(run.path.glob("initial*"))
    opened.close()


def test_a_model_without_weights_is_named_and_leaves_no_run(tmp_path: Path) -> None:
    model = tmp_path / "model"
    shutil.copytree(find_model("mnist"), model)
    (model / POLICY).unlink()
    with pytest.raises(ValueError, match=rf"--from: {model} has no {POLICY}"):
        open_run(ask(tmp_path / "runs", name="a", model=model, settings=SAMPLE))
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("file", [POLICY, DISCRIMINATOR])
def test_a_model_that_is_not_finite_is_refused_and_leaves_no_run(file: str, tmp_path: Path) -> None:
    model = tmp_path / "model"
    shutil.copytree(find_model("mnist"), model)
    save_file({"a.weight": np.array([1.0, np.nan], np.float16)}, model / file)
    with pytest.raises(ValueError, match=rf'"a.weight" in {model / file} holds values that are not finite'):
        open_run(ask(tmp_path / "runs", name="a", model=model, settings=SAMPLE))
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(("kind", "held"), [("learned", configuration.HOLD_BATCHES), ("l2", 0)])
def test_a_judge_that_learns_nothing_needs_no_time_to_catch_up(kind: str, held: int, tmp_path: Path) -> None:
    model = tmp_path / "model"
    shutil.copytree(find_model("omniglot-reconstruct"), model)
    (model / DISCRIMINATOR).unlink()
    settings = (*SAMPLE, f"discriminator.kind={kind}", "learner.terms={}")
    opened = open_run(ask(tmp_path / "runs", name="a", model=model, settings=settings))
    assert opened.config.learner.hold_batches == held
    opened.close()


def test_what_was_learnt_from_can_not_be_held_out_later(tmp_path: Path) -> None:
    begun = open_run(ask(tmp_path, name="a"))
    assert begun.config.hold_out_validation
    begun.close()
    write_counters(begun.run, frames=64)
    with pytest.raises(ValueError, match=r"^--set hold_out_validation=false: .* does not fit the run"):
        open_run(ask(tmp_path, name="a", settings=("hold_out_validation=false",)))
    model = find_model("mnist")
    with pytest.raises(ValueError, match="the model has learned from the whole training set"):
        open_run(ask(tmp_path, name="b", model=model, settings=("data=mnist", "hold_out_validation=true")))
    opened = open_run(ask(tmp_path, name="c", model=model, settings=SAMPLE))
    assert not opened.config.hold_out_validation, "a model of before goes on as it was"
    opened.close()


def test_a_new_start_shows_no_quarter_of_an_earlier_one(tmp_path: Path) -> None:
    first = open_run(ask(tmp_path, name="a"))
    first.run.snapshots.mkdir()
    for name in MOMENTS:
        (first.run.snapshots / f"{name}.safetensors").write_bytes(b"")
    first.close()
    second = open_run(ask(tmp_path, name="a"))
    assert [path.stem for path in second.run.snapshots.iterdir()] == ["start"]
    second.close()


def test_a_full_file_system_is_named_before_anything_is_learnt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_directory, "SMALLEST_FREE_BYTES", shutil.disk_usage(tmp_path).total + 1)
    with pytest.raises(ValueError, match=r"has [0-9]+ MiB free; expected at least"):
        open_run(ask(tmp_path, name="a"))


def test_a_damaged_stored_configuration_is_a_sentence(tmp_path: Path) -> None:
    opened = open_run(ask(tmp_path, name="a"))
    opened.close()
    opened.run.config_file.write_text("learner: [")
    with pytest.raises(ValueError, match=r"config\.yaml: not YAML"):
        open_run(ask(tmp_path, name="a"))


def test_sockets_are_private_and_gone_afterwards(tmp_path: Path) -> None:
    with socket_directory(tmp_path) as folder:
        assert folder.parent == tmp_path.resolve()
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(f"{folder}{LONGEST_NAME}")
    assert not folder.exists()


def test_sockets_find_a_short_place_where_the_path_is_too_long(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * MAX_SOCKET_PATH_BYTES)
    deep.mkdir()
    with socket_directory(deep) as folder:
        assert not folder.is_relative_to(deep)
        assert len(os.fsencode(f"{folder}{LONGEST_NAME}")) <= MAX_SOCKET_PATH_BYTES
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert not folder.exists()
    assert list(deep.iterdir()) == []


@pytest.mark.parametrize("cores", [1, 2, 3, 4, 7, 8, 64])
def test_every_service_gets_a_thread_and_no_core_is_left_over(cores: int) -> None:
    split = threads.split(cores)
    services = {name: split[name] for name in threads.SERVICES}
    assert min(services.values()) >= 1
    assert sum(services.values()) == max(cores, 4)


def test_wanted_threads_go_before_stored_ones_and_those_before_the_machine_s() -> None:
    chosen = threads.choose(8, {"learner": 5, "actor": 7}, threads.parse(["learner=3"]))
    assert (chosen["learner"], chosen["actor"], chosen["renderer"]) == (3, 7, 2)


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({"cpu.max": "150000 100000"}, 1),
        ({"cpu.max": "50000 100000"}, 1),
        ({"cpu/cpu.cfs_quota_us": "100000", "cpu/cpu.cfs_period_us": "100000"}, 1),
        ({"cpu.max": "max 100000"}, len(os.sched_getaffinity(0))),
        ({}, len(os.sched_getaffinity(0))),
    ],
)
def test_cores_are_what_the_cgroup_s_quota_leaves(files: dict[str, str], cores: int, tmp_path: Path) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text + "\n")
    assert usable_cores(tmp_path) == cores


def test_memory_is_what_the_cgroup_leaves(tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text("1048576\n")
    assert usable_memory_bytes(tmp_path) == 1 << 20
    (tmp_path / "memory.max").write_text("max\n")
    assert usable_memory_bytes(tmp_path) > 1 << 20


def test_machine_facts_are_whole_or_not_there(tmp_path: Path) -> None:
    opened = open_run(ask(tmp_path, name="a"))
    opened.remember_machine({"cores": 2})
    assert json.loads(opened.run.machine_file.read_text()) == {"cores": 2}
    opened.close()
    opened.run.machine_file.write_text('{"cores"')
    again = open_run(ask(tmp_path, name="a"))
    assert again.machine == {}
    again.close()
