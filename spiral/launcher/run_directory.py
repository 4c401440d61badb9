"""A run's directory in use: created or found, locked, and prepared for a start."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spiral.configuration.schema import RunConfig
from spiral.launcher.configuration import default_name
from spiral.launcher.options import TrainOptions
from spiral.launcher.run_lock import take_lock
from spiral.launcher.start import Start, plan_start
from spiral.models import CARD, POLICY, find_discriminator
from spiral.runs.checkpoint_counters import CheckpointCounters
from spiral.runs.directory import Run, name_run
from spiral.runs.divergence_record import DivergenceRecord
from spiral.values import strict_json
from spiral.values.atomic_file import atomic_write

SMALLEST_FREE_BYTES = 64 << 20
"""Checkpoints of the small networks take megabytes, and several are kept; below this the next one may not fit."""


@dataclass(slots=True)
class OpenRun:
    """A run that belongs to this process until it is closed."""

    run: Run
    config: RunConfig
    machine: dict[str, Any]
    """What was measured when the run began; empty for a new run."""
    report: list[str]
    """What was found, for the user; one sentence each."""
    lock: int
    """Descriptor of the locked file; processes that inherit it hold the lock, too."""
    learnt: CheckpointCounters
    """The progress that the run continues from."""
    reached: bool
    """Whether the limit was reached before, so that there is nothing to start."""
    schedule_from: int
    """Learned frames at which schedules over the run begin again; 0: they continue."""

    def remember_machine(self, facts: Mapping[str, Any]) -> None:
        """Store what was measured at the start."""
        self.machine = dict(facts)
        write(self.run.machine_file, strict_json.report(self.machine, indent=2) + "\n")

    def divergence(self, service: str, precision: str) -> str:
        """The sentence with which a service would give up again at this precision; empty: none is known."""
        return DivergenceRecord(self.run.checkpoints(service), self.config, precision).standing()

    def close(self) -> None:
        """Release the lock."""
        os.close(self.lock)


def open_run(options: TrainOptions, clock: Callable[[], float] = time.monotonic) -> OpenRun:
    """Plan the start, lock the run, and change its directory accordingly.

    Raises ValueError with a sentence for a wrong name, for what :func:`plan_start` refuses, and for a directory that is
    read-only, full or in use. If the limit was reached before, nothing is changed.
    """
    run = name_run(options.runs, options.name or default_name(options))
    existed = run.exists
    # A new run is planned before its directory exists, so that a wrong option or a bad picture leaves no directory
    # behind. An existing run is only read with the lock held.
    start = None if existed and not options.fresh else plan_start(run, options)
    try:
        run.path.mkdir(parents=True, exist_ok=True)
        with ExitStack() as held:
            lock = take_lock(run.lock_file, clock)
            held.callback(os.close, lock)
            if start is None or run.exists != existed:
                start = plan_start(run, options)
            report = [start.found] if start.kind == "over" else _prepare(run, start, options.model)
            opened = OpenRun(
                run,
                start.config,
                _machine(run),
                [*report, *start.report],
                lock,
                start.learnt,
                reached=start.kind == "over",
                schedule_from=start.schedule_from,
            )
            held.pop_all()
            return opened
    except OSError as error:
        raise ValueError(
            f"run: {run.path} can't be written: {error.strerror}; choose another folder with --runs"
        ) from error


def _prepare(run: Run, start: Start, model: Path | None) -> list[str]:
    """Prepare the directory for the start. Returns which run it is and what was set aside, one sentence each."""
    if start.kind == "new" and run.exists:
        report = [f"the run that was here is kept as {_set_aside(run)}", start.found]
    else:
        report = [start.found]
    check_space(run.path)
    if start.remade:
        report += _make_anew(run)
    if start.initial_weights:
        _begin_with(run, model)
    write(run.config_file, start.config.to_yaml())
    _forget_moments(run)
    return report


def check_space(path: Path) -> None:
    """Raise ValueError if the file system has no room for a run."""
    free = shutil.disk_usage(path).free
    if free < SMALLEST_FREE_BYTES:
        raise ValueError(
            f"run: {path} has {free / 2**20:.0f} MiB free; expected at least {SMALLEST_FREE_BYTES >> 20} MiB: "
            "make room or choose another folder with --runs"
        )


def write(path: Path, text: str) -> None:
    """Replace a file as a whole; a reader never sees half of it."""
    with atomic_write(path) as aside:
        aside.write_text(text)


def _begin_with(run: Run, model: Path | None) -> None:
    """Copy the initial weights of a new run beside its configuration, and remove those of an earlier, failed start."""
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
    """Remove the snapshots of an earlier start's quarters and end; otherwise a strip would mix them with new ones."""
    for snapshot in (*run.snapshots.glob("quarter-*"), *run.snapshots.glob("end.*")):
        snapshot.unlink()


def _make_anew(run: Run) -> list[str]:
    """Remove files that a start without progress made for another engine or network; checkpoints are kept."""
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
    return [f"the checkpoints of a start that learned nothing are kept in {aside}"]


def _machine(run: Run) -> dict[str, Any]:
    try:
        facts = json.loads(run.machine_file.read_text())
    except (OSError, json.JSONDecodeError):
        return {}
    return facts if isinstance(facts, dict) else {}


def _set_aside(run: Run) -> Path:
    """Move everything that a run has into a folder beside it; the lock stays."""
    aside = _beside(run)
    for entry in run.path.iterdir():
        if entry != run.lock_file:
            entry.rename(aside / entry.name)
    return aside


def _beside(run: Run) -> Path:
    """A new folder beside the run, for files that are kept."""
    aside = run.path.with_name(f"{run.name}-before-{time.strftime('%Y%m%d-%H%M%S')}")
    aside.mkdir()
    return aside
