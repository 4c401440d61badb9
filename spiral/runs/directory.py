"""A run's directory: where the files of a run are, and how a run is found."""

from __future__ import annotations

import fcntl
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spiral.configuration.files import load_config
from spiral.configuration.schema import RunConfig

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class Run:
    """The paths of one run; creating the object creates no files."""

    path: Path

    @property
    def name(self) -> str:
        """Name of the run, which is the folder's name."""
        return self.path.name

    @property
    def config_file(self) -> Path:
        """The effective configuration with every key."""
        return self.path / "config.yaml"

    @property
    def machine_file(self) -> Path:
        """What was measured when the run began, JSON; kept on resume."""
        return self.path / "machine.json"

    def precision_file(self, service: str) -> Path:
        """The precision of ``learner`` or ``discriminator``, and why, JSON; kept on resume."""
        return self.path / f"precision-{service}.json"

    @property
    def initial_file(self) -> Path:
        """Weights of the model that the run began with, if it began with one."""
        return self.path / "initial.safetensors"

    @property
    def initial_discriminator_file(self) -> Path:
        """Weights of that model's discriminator, if it came with one."""
        return self.path / "initial-discriminator.safetensors"

    @property
    def initial_card_file(self) -> Path:
        """That model's card, which says what was learned before the run began."""
        return self.path / "initial-card.yaml"

    @property
    def data_file(self) -> Path:
        """The record of its pictures, JSON: count, checksum and, for a folder, each file; compared at each start."""
        return self.path / "data.json"

    @property
    def engine_file(self) -> Path:
        """The renderer's description of its engine when the run began, JSON."""
        return self.path / "engine.json"

    @property
    def history_file(self) -> Path:
        """The learning curve, one JSON object per line."""
        return self.path / "history.jsonl"

    @property
    def events(self) -> Path:
        """Folder of the TensorBoard event files."""
        return self.path / "events"

    @property
    def snapshots(self) -> Path:
        """Folder of the averaged weights at start, quarters and end."""
        return self.path / "snapshots"

    @property
    def samples(self) -> Path:
        """Folder of pictures and programs made during training."""
        return self.path / "samples"

    @property
    def logs(self) -> Path:
        """Folder of the services' logs."""
        return self.path / "logs"

    @property
    def lock_file(self) -> Path:
        """Locked while a process trains; holds its id."""
        return self.path / "lock"

    def checkpoints(self, service: str) -> Path:
        """Folder of the checkpoints of ``learner`` or ``discriminator``."""
        return self.path / "checkpoints" / service

    @property
    def exists(self) -> bool:
        """Whether training began here."""
        return self.config_file.is_file()

    def config(self) -> RunConfig:
        """The stored configuration; ValueError if it is missing or damaged."""
        return load_config(str(self.config_file))

    def history(self) -> list[dict[str, Any]]:
        """All whole lines of the learning curve, oldest first; a line torn by a crash is left out."""
        try:
            lines = self.history_file.read_text().splitlines()
        except OSError:
            return []
        records = []
        for line in lines:
            try:
                record = json.loads(line)
            except json.JSONDecodeError:
                continue
            if isinstance(record, dict):
                records.append(record)
        return records

    def trainer(self) -> str:
        """Id of the process that trains now; empty if none does."""
        try:
            with self.lock_file.open() as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except BlockingIOError:
                    return lock.read(32).strip() or "unknown"
        except OSError:
            pass
        return ""


def name_run(runs: Path, name: str) -> Run:
    """The run of that name, new or existing; ValueError if the name can't be a folder's."""
    if not NAME.fullmatch(name):
        raise ValueError(f'run: "{name}" can\'t be a run\'s name; expected 1 to 64 letters, digits, ".", "_" and "-"')
    return Run(runs / name)


def summarise(run: Run) -> dict[str, Any]:
    """The state of a run as one flat object; ``pid`` is empty if no process trains it."""
    history = run.history()
    last = history[-1] if history else {}
    scores = {key: last[key] for key in ("score_real", "score_painted", "reward") if last.get(key) is not None}
    return {
        "run": run.name,
        "preset": run.config().preset,
        "frames": last.get("frames", 0),
        "seconds": last.get("seconds", 0.0),
        **scores,
        "pid": run.trainer(),
    }


def find_run(runs: Path, name: str) -> Run:
    """The run of that name, which must exist; ValueError that lists the existing ones."""
    run = name_run(runs, name)
    if not run.exists:
        known = ", ".join(run.name for run in list_runs(runs)) or "none yet; `spiral train` starts one"
        raise ValueError(f'run: there is no run "{name}" in {runs}; runs there: {known}')
    return run


def list_runs(runs: Path) -> list[Run]:
    """All runs in a folder, by name."""
    try:
        return [run for path in sorted(runs.iterdir()) if (run := Run(path)).exists]
    except OSError:
        return []
