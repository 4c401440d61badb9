"""A run's directory in use: made or found again, locked, its configuration settled."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from services.launcher.data_check import check_data
from spiral.compatibility import changes
from spiral.config import RunConfig
from spiral.config_files import load_config, preset_names
from spiral.models import CARD, CONFIG, POLICY, find_discriminator, read_card
from spiral.runs import Run, name_run

DEFAULT_PRESET = "demo"
HOLD_BATCHES = 300
"""Batches from which a new discriminator learns alone before a model that trains on is changed by what it says."""
SMALLEST_FREE_BYTES = 64 << 20
"""Checkpoints of the small networks take megabytes and several are kept; below this the next one may not fit."""
ORPHANS_S = 30.0
"""Services of a launcher that was killed write their checkpoints and stop within this time."""


@dataclass(frozen=True, slots=True)
class Request:
    """What the user asks for."""

    runs: Path
    preset: str | None = None
    """None: the run's own, or ``demo`` for a new one. A file is read at every start, a named preset at the first."""
    name: str | None = None
    """None: the preset's name."""
    settings: Sequence[str] = ()
    fresh: bool = False
    model: Path | None = None
    """Folder of the model whose weights and configuration a new run begins with."""


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

    def remember_machine(self, facts: Mapping[str, Any]) -> None:
        """Store what was measured at the start."""
        self.machine = dict(facts)
        write(self.run.machine_file, json.dumps(self.machine, indent=2) + "\n")

    def close(self) -> None:
        """Let the next one in."""
        os.close(self.lock)


def open_run(request: Request, clock: Callable[[], float] = time.monotonic) -> OpenRun:
    """Make or find the run, lock it, and settle its configuration.

    Raises ValueError with a sentence: wrong name, preset, setting or data, a change that the checkpoints can't follow,
    a directory that is read-only, full or in use.
    """
    run = name_run(request.runs, request.name or _default_name(request))
    begun: list[str] = []
    new: RunConfig | None = None
    if not run.exists or request.fresh:  # a wrong word and a wrong picture leave no directory behind
        new = _new_config(request, run)
        begun += check_data(new)
        if request.model is not None:
            begun.append(_begun(request.model, new))
    elif request.model is not None:
        raise ValueError(
            f'--from: the run "{run.name}" has begun already; leave it out to go on, choose another name with --run, '
            "or begin anew with --fresh"
        )
    try:
        run.path.mkdir(parents=True, exist_ok=True)
        lock = take_lock(run.lock_file, clock)
    except OSError as error:
        raise ValueError(
            f"run: {run.path} can't be written: {error.strerror}; choose another folder with --runs"
        ) from error
    try:
        report = []
        if request.fresh and run.exists:
            report.append(f"the run that was here is kept as {_set_aside(run)}")
        resumed = run.exists
        config, changes = _settle(run, request) if resumed else (new or _new_config(request, run), [])
        report.append(_found(run) if resumed else _made(run, config))
        report += changes
        check_space(run.path)
        if not resumed:
            _begin_with(run, request.model)
            report += begun
        write(run.config_file, config.to_yaml())
        _forget_moments(run)
        return OpenRun(run, config, _machine(run), report, lock)
    except OSError as error:
        os.close(lock)
        raise ValueError(
            f"run: {run.path} can't be written: {error.strerror}; choose another folder with --runs"
        ) from error
    except BaseException:
        os.close(lock)
        raise


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
    aside = path.with_name(f".{path.name}.part")
    with aside.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)


def _begin_with(run: Run, model: Path | None) -> None:
    """Lay what a new run begins with beside its configuration; what a start left here that failed goes."""
    for file in (run.initial_file, run.initial_card_file, run.initial_discriminator_file):
        file.unlink(missing_ok=True)
    if model is None:
        return
    shutil.copyfile(model / POLICY, run.initial_file)
    shutil.copyfile(model / CARD, run.initial_card_file)
    discriminator = find_discriminator(model)
    if discriminator is not None:
        shutil.copyfile(discriminator, run.initial_discriminator_file)


def _begun(model: Path, config: RunConfig) -> str:
    """Where in its schedules a run from a model begins; ValueError where they leave nothing to learn with."""
    if not (model / POLICY).is_file():
        raise ValueError(f"--from: {model} has no {POLICY}; name a folder that `spiral models export` made")
    frames, learner = read_card(model).frames, config.learner
    left = learner.rate_left(frames)
    if not left:
        raise ValueError(
            f"--from: after the {frames:,} frames of {model.name} its learning rate has fallen to 0, so nothing would "
            "be learnt; choose one, for example --set learner.learning_rate=0.0003 --set learner.learning_rate_floor=1"
        )
    rate = f"{learner.learning_rate * left:.2g} ({left:.2g} of learner.learning_rate)"
    return f"begins with {model.name} after its {frames:,} frames, at a learning rate of {rate}"


def _default_name(request: Request) -> str:
    """Name of the run: the model's, the preset's, or the file's without its ending."""
    if request.model is not None:
        return request.model.name
    preset = request.preset or DEFAULT_PRESET
    return Path(preset).stem if _is_file(preset) else preset


def _new_config(request: Request, run: Run) -> RunConfig:
    """What a new run is to train with; where a model comes without its discriminator, one learns alone at first."""
    if request.model is None:
        return load_config(request.preset or _own_preset(run), request.settings)
    as_it_was = str(request.model / CONFIG)
    judge = load_config(as_it_was, request.settings).discriminator
    alone = judge.kind == "learned" and find_discriminator(request.model) is None
    return load_config(as_it_was, [f"learner.hold_batches={HOLD_BATCHES if alone else 0}", *request.settings])


def _own_preset(run: Run) -> str:
    """The preset of a run that begins anew; the demo's for one that is new."""
    try:
        own = run.config().preset if run.exists else DEFAULT_PRESET
    except ValueError:  # damaged, which it may begin anew for
        own = ""
    if own not in preset_names():
        raise ValueError(
            f'--fresh: the configuration of "{run.name}" names no preset; name one, or its file, with --preset'
        )
    return own


def _is_file(preset: str) -> bool:
    return preset.endswith((".yaml", ".yml"))


def _settle(run: Run, request: Request) -> tuple[RunConfig, list[str]]:
    """The configuration to go on with, and what changes against the stored one."""
    stored = run.config()
    file = request.preset if request.preset and _is_file(request.preset) else None
    if request.preset and not file and request.preset != stored.preset:
        raise ValueError(
            f'run: "{run.name}" was made with preset "{stored.preset}", not "{request.preset}"; '
            "choose another name with --run, or begin anew with --fresh"
        )
    config = load_config(file or str(run.config_file), request.settings)
    report = []
    for change in changes(stored, config):
        if change.fixed:
            raise ValueError(
                f'{change.key}: {change.after!r} does not fit the run "{run.name}", which has learnt with '
                f"{change.before!r}; choose another name with --run, or begin anew with --fresh"
            )
        report.append(f"{change.key} was {change.before!r} and is {change.after!r} from now on")
    return config, report


def _forget_moments(run: Run) -> None:
    """Remove what shows the quarters and the end of an earlier start, or a strip would mix them with this start's."""
    for snapshot in (*run.snapshots.glob("quarter-*"), *run.snapshots.glob("end.*")):
        snapshot.unlink()


def _made(run: Run, config: RunConfig) -> str:
    return f"new run {run.name} in {run.path}" + (f", preset {config.preset}" if config.preset else "")


def _found(run: Run) -> str:
    """What a resumed run has behind it."""
    history = run.history()
    if not history:
        return f"run {run.name} in {run.path} goes on; nothing was learnt yet"
    frames = history[-1].get("frames", 0)
    return f"run {run.name} in {run.path} goes on after {frames:,} learnt frames"


def _machine(run: Run) -> dict[str, Any]:
    try:
        facts = json.loads(run.machine_file.read_text())
    except (OSError, json.JSONDecodeError):
        return {}
    return facts if isinstance(facts, dict) else {}


def _set_aside(run: Run) -> Path:
    """Move all that a run has into a folder beside it; the lock stays."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    aside = run.path.with_name(f"{run.name}-before-{stamp}")
    aside.mkdir()
    for entry in run.path.iterdir():
        if entry != run.lock_file:
            entry.rename(aside / entry.name)
    return aside
