"""A run's directory: where everything that belongs to a training run lies, and how it is found again."""

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
    """The paths of one run; making the value creates nothing."""

    path: Path

    @property
    def name(self) -> str:
        """Name of the run: its folder's."""
        return self.path.name

    @property
    def config_file(self) -> Path:
        """The effective configuration, every key written out."""
        return self.path / "config.yaml"

    @property
    def machine_file(self) -> Path:
        """What was measured when the run began, JSON; kept on resume."""
        return self.path / "machine.json"

    def precision_file(self, service: str) -> Path:
        """What ``learner`` or ``discriminator`` trains in, and why, JSON; kept on resume."""
        return self.path / f"precision-{service}.json"

    @property
    def initial_file(self) -> Path:
        """Weights of the model that the run began with, where it began with one."""
        return self.path / "initial.safetensors"

    @property
    def initial_discriminator_file(self) -> Path:
        """Weights of that model's discriminator, where it came with one."""
        return self.path / "initial-discriminator.safetensors"

    @property
    def initial_card_file(self) -> Path:
        """That model's card: what was learned before the run began."""
        return self.path / "initial-card.yaml"

    @property
    def data_file(self) -> Path:
        """What its pictures are, JSON: count, checksum and, of a folder, each file; compared at each start."""
        return self.path / "data.json"

    @property
    def engine_file(self) -> Path:
        """What the renderer said of its engine when the run began, JSON."""
        return self.path / "engine.json"

    @property
    def history_file(self) -> Path:
        """The learning curve, one JSON object a line."""
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
        """Folder of pictures and programs made on the way."""
        return self.path / "samples"

    @property
    def logs(self) -> Path:
        """Folder of what each service said."""
        return self.path / "logs"

    @property
    def lock_file(self) -> Path:
        """Locked while somebody trains; holds that process's id."""
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
        """Id of the process that trains now; empty where none does."""
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
    """The run of that name, new or old; ValueError if the name can't be a folder's."""
    if not NAME.fullmatch(name):
        raise ValueError(f'run: "{name}" is no name for a run; use 1 to 64 letters, digits, ".", "_" and "-"')
    return Run(runs / name)


def summarise(run: Run) -> dict[str, Any]:
    """What a run has come to, as one flat object; ``pid`` is empty where nobody trains."""
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
    """The run of that name, which must exist; ValueError that lists those there are."""
    run = name_run(runs, name)
    if not run.exists:
        known = ", ".join(run.name for run in list_runs(runs)) or "none yet; `spiral train` makes one"
        raise ValueError(f'run: there is no run "{name}" in {runs}; runs there: {known}')
    return run


def list_runs(runs: Path) -> list[Run]:
    """All runs in a folder, by name."""
    try:
        return [run for path in sorted(runs.iterdir()) if (run := Run(path)).exists]
    except OSError:
        return []
