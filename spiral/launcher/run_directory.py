"""A run's directory in use: made or found again, locked, its configuration settled."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from spiral.configuration.paths import PREFIX
from spiral.configuration.schema import RunConfig
from spiral.datasets import DatasetMissingError
from spiral.launcher.configuration import Request, begun_with, default_name, new_config, settle
from spiral.launcher.data_check import check_data, find_data
from spiral.launcher.engine_check import check_engine
from spiral.launcher.schedule_report import about_schedule
from spiral.models import CARD, POLICY, find_discriminator
from spiral.runs.checkpoint_counters import NOTHING_LEARNT, CheckpointCounters, read_checkpoint_counters
from spiral.runs.directory import Run, name_run
from spiral.runs.divergence_record import DivergenceRecord
from spiral.values import strict_json
from spiral.values.atomic_file import atomic_write

SMALLEST_FREE_BYTES = 64 << 20
"""Checkpoints of the small networks take megabytes and several are kept; below this the next one may not fit."""
ORPHANS_S = 30.0
"""Services of a launcher that was killed write their checkpoints and stop within this time."""


@dataclass(slots=True)
class OpenRun:
    """A run that belongs to this process until it is closed."""

    run: Run
    config: RunConfig
    machine: dict[str, Any]
    """What was measured when the run began; empty for a new one."""
    report: list[str]
    """What was found, for the user: one sentence each."""
    lock: int
    """Descriptor of the locked file; who inherits it holds the lock too."""
    learnt: CheckpointCounters = field(default_factory=CheckpointCounters)
    """What the run goes on from."""
    reached: bool = False
    """Whether its limit was reached before: there is nothing to start."""
    schedule_from: int = 0
    """Learned frames at which what falls over the run is to begin anew; 0: it goes on."""

    def remember_machine(self, facts: Mapping[str, Any]) -> None:
        """Store what was measured at the start."""
        self.machine = dict(facts)
        write(self.run.machine_file, strict_json.report(self.machine, indent=2) + "\n")

    def divergence(self, service: str, precision: str) -> str:
        """The sentence with which a service would give up again, asked for such a precision; empty: none is known."""
        return DivergenceRecord(self.run.checkpoints(service), self.config, precision).standing()

    def close(self) -> None:
        """Let the next one in."""
        os.close(self.lock)


def open_run(request: Request, clock: Callable[[], float] = time.monotonic) -> OpenRun:
    """Make or find the run, lock it, and settle its configuration.

    Raises ValueError with a sentence: wrong name, preset, setting, engine or data, a change that the checkpoints can't
    follow, a directory that is read-only, full or in use. Where the limit was reached before, nothing is changed.
    """
    run = name_run(request.runs, request.name or default_name(request))
    new: tuple[RunConfig, list[str]] | None = None
    if not run.exists or request.fresh:  # a wrong word and a wrong picture leave no directory behind
        _refuse_other_folder(run)
        config = new_config(request, run)
        new = config, _check(config, request)
    elif request.model is not None and not read_checkpoint_counters(run).nothing:
        raise ValueError(
            f'--from: the run "{run.name}" has begun already; leave it out to go on, choose another name with --run, '
            "or begin anew with --fresh"
        )
    try:
        run.path.mkdir(parents=True, exist_ok=True)
        lock = take_lock(run.lock_file, clock)
    except OSError as error:
        raise _unwritable(run, error) from error
    try:
        return _open_locked(run, request, new, lock)
    except OSError as error:
        os.close(lock)
        raise _unwritable(run, error) from error
    except BaseException:
        os.close(lock)
        raise


def _refuse_other_folder(run: Run) -> None:
    """ValueError where a run would be made among files that are none of a run's, and would overwrite some of them."""
    if run.exists or not run.path.is_dir():
        return
    begun = {run.lock_file, run.initial_file, run.initial_card_file, run.initial_discriminator_file}
    others = sorted(path.name for path in run.path.iterdir() if path not in begun and not path.name.startswith("."))
    if others:
        raise ValueError(
            f"run: {run.path} is no run: it has no {run.config_file.name}, but {', '.join(others[:3])}"
            f"{', …' if len(others) > 3 else ''}; choose another name with --run, or another folder with --runs"
        )


def _open_locked(run: Run, request: Request, new: tuple[RunConfig, list[str]] | None, lock: int) -> OpenRun:
    if not run.exists or request.fresh:
        report = [f"the run that was here is kept as {_set_aside(run)}"] if request.fresh and run.exists else []
        config, said = new or (new_config(request, run), [])
        report += [_made(run, config), *said]
        check_space(run.path)
        _begin_with(run, request.model)
        return _opened(run, config, report, lock, NOTHING_LEARNT)
    learnt = read_checkpoint_counters(run)
    settled = settle(run, request, free=learnt.nothing)
    report = [_found(run, learnt)]
    if request.frames is not None and learnt.frames >= request.frames:
        report.append(
            f"--frames {request.frames}: this limit was reached before, at {learnt.frames:,} frames; nothing is "
            "started or changed, a larger one goes on"
        )
        return OpenRun(run, settled.config, _machine(run), report, lock, learnt, reached=True)
    schedule = about_schedule(settled.config.learner, learnt, request.restart_schedule)
    said = _check(settled.config, request, data=settled.remade)
    check_space(run.path)
    if settled.remade:
        report += _make_anew(run)
    if settled.begins:
        _begin_with(run, request.model)
    opened = _opened(run, settled.config, [*report, *settled.report, *schedule, *said], lock, learnt)
    if request.restart_schedule:
        opened.schedule_from = learnt.frames
    return opened


def _opened(run: Run, config: RunConfig, report: list[str], lock: int, learnt: CheckpointCounters) -> OpenRun:
    write(run.config_file, config.to_yaml())
    _forget_moments(run)
    return OpenRun(run, config, _machine(run), report, lock, learnt)


def _check(config: RunConfig, request: Request, data: bool = True) -> list[str]:
    """What is to be said of data and model; ValueError where these or the engine can't be used."""
    check_engine(config, request.settings)
    said: list[str] = []
    try:
        if data:
            said += check_data(config)
        else:
            find_data(config)
    except DatasetMissingError as error:
        if request.model is None or not config.data.startswith(PREFIX):
            raise
        raise ValueError(
            f"--from: {request.model.name} has learnt from pictures of its maker's own, which do not come with it "
            f"({error}); name yours with --set data={PREFIX}PATH"
        ) from error
    return said if request.model is None else [*said, begun_with(request.model, config)]


def _unwritable(run: Run, error: OSError) -> ValueError:
    return ValueError(f"run: {run.path} can't be written: {error.strerror}; choose another folder with --runs")


def take_lock(path: Path, clock: Callable[[], float]) -> int:
    """Lock the file and write this process's id into it: the descriptor, or ValueError that names who has it.

    The services inherit the lock, so that a run whose launcher was killed is free only when they have stopped.
    """
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    deadline = clock() + ORPHANS_S
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            holder = os.pread(lock, 32, 0).decode(errors="replace").strip()
            orphaned = holder.isdigit() and not psutil.pid_exists(int(holder))
            if not orphaned or clock() > deadline:
                os.close(lock)
                state = "whose services still stop" if orphaned else "which trains it"
                raise ValueError(
                    f'run: "{path.parent.name}" is in use by process {holder or "unknown"}, {state}; '
                    "wait for it, stop it, or choose another name with --run"
                ) from None
            time.sleep(0.1)
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
    return lock


def check_space(path: Path) -> None:
    """ValueError where the file system has no room for a run."""
    free = shutil.disk_usage(path).free
    if free < SMALLEST_FREE_BYTES:
        raise ValueError(
            f"run: {path} has {free / 2**20:.0f} MiB free; at least {SMALLEST_FREE_BYTES >> 20} MiB are needed, "
            "make room or choose another folder with --runs"
        )


def write(path: Path, text: str) -> None:
    """Replace a file as a whole; a reader never meets half of it."""
    with atomic_write(path) as aside:
        aside.write_text(text)


def _begin_with(run: Run, model: Path | None) -> None:
    """Lay what a new run begins with beside its configuration; what a start left here that failed goes."""
    for file in (run.initial_file, run.initial_card_file, run.initial_discriminator_file, run.data_file):
        file.unlink(missing_ok=True)
    if model is None:
        return
    shutil.copyfile(model / POLICY, run.initial_file)
    shutil.copyfile(model / CARD, run.initial_card_file)
    discriminator = find_discriminator(model)
    if discriminator is not None:
        shutil.copyfile(discriminator, run.initial_discriminator_file)


def _forget_moments(run: Run) -> None:
    """Remove what shows the quarters and the end of an earlier start, or a strip would mix them with this start's."""
    for snapshot in (*run.snapshots.glob("quarter-*"), *run.snapshots.glob("end.*")):
        snapshot.unlink()


def _made(run: Run, config: RunConfig) -> str:
    return f"new run {run.name} in {run.path}" + (f", preset {config.preset}" if config.preset else "")


def _found(run: Run, learnt: CheckpointCounters) -> str:
    """What a resumed run has behind it."""
    if learnt.nothing:
        return f"run {run.name} in {run.path} goes on; nothing was learnt yet"
    history = run.history()
    lost = (history[-1].get("frames", 0) if history else 0) - learnt.frames
    after = f"; the {lost:,} that it learnt after its last checkpoint are lost" if lost > 0 else ""
    return f"run {run.name} in {run.path} goes on after {learnt.frames:,} learnt frames{after}"


def _make_anew(run: Run) -> list[str]:
    """Clear away what was made for another engine or network by a start that learnt nothing; checkpoints are kept."""
    run.engine_file.unlink(missing_ok=True)
    for snapshot in run.snapshots.glob("start.*"):
        snapshot.unlink()
    checkpoints = [path for name in ("learner", "discriminator") for path in run.checkpoints(name).glob("checkpoint-*")]
    if not checkpoints:
        return []
    aside = _beside(run)
    for path in checkpoints:
        kept = aside / path.relative_to(run.path)
        kept.parent.mkdir(parents=True, exist_ok=True)
        path.rename(kept)
    return [f"checkpoints of a start that learnt nothing are kept in {aside}"]


def _machine(run: Run) -> dict[str, Any]:
    try:
        facts = json.loads(run.machine_file.read_text())
    except (OSError, json.JSONDecodeError):
        return {}
    return facts if isinstance(facts, dict) else {}


def _set_aside(run: Run) -> Path:
    """Move all that a run has into a folder beside it; the lock stays."""
    aside = _beside(run)
    for entry in run.path.iterdir():
        if entry != run.lock_file:
            entry.rename(aside / entry.name)
    return aside


def _beside(run: Run) -> Path:
    """A new folder beside the run, for what is kept of it."""
    aside = run.path.with_name(f"{run.name}-before-{time.strftime('%Y%m%d-%H%M%S')}")
    aside.mkdir()
    return aside
