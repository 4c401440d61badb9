"""A training run as a child process that can be inspected and ended."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

START_S = 120.0
"""Longest time until the first record; more than any start takes."""
POLL_S = 0.2
END_S = 120.0


@dataclass(frozen=True, slots=True)
class Training:
    """A run in progress."""

    process: psutil.Process
    run: Path

    def record_after(self, seconds: float, deadline_s: float) -> dict[str, Any]:
        """The first record of the history after ``seconds`` of training; RuntimeError if it doesn't come."""
        deadline = time.monotonic() + deadline_s
        while time.monotonic() < deadline and self.process.is_running():
            for record in self._history():
                if record["seconds"] >= seconds:
                    return record
            time.sleep(POLL_S)
        raise RuntimeError(f"the run in {self.run} brought no record of {seconds:.0f} s within {deadline_s:.0f} s")

    def processes(self) -> dict[str, psutil.Process]:
        """Its services by name, and the launcher."""
        named = {"launcher": self.process}
        for child in self.process.children(recursive=True):
            command = child.cmdline()
            module = next((word for word in command if word.startswith("spiral.services.")), "")
            if module:
                named[module.removeprefix("spiral.services.")] = child
        return named

    def memory_bytes(self) -> int:
        """Proportional set size of all its processes: shared pages are counted once."""
        return sum(process.memory_full_info().pss for process in self.processes().values())

    def cpu_seconds(self) -> dict[str, float]:
        """Processor time spent so far by each of its processes."""
        times = {name: process.cpu_times() for name, process in self.processes().items()}
        return {name: spent.user + spent.system for name, spent in times.items()}

    def _history(self) -> Iterator[dict[str, Any]]:
        try:
            lines = (self.run / "history.jsonl").read_text().splitlines(keepends=True)
        except FileNotFoundError:
            return
        # The last line may be half written.
        yield from (json.loads(line) for line in lines if line.endswith("\n"))


@contextmanager
def training(runs: Path, name: str, preset: str, options: Sequence[str] = ()) -> Iterator[Training]:
    """Train in a child process within the block."""
    command = [sys.executable, "-m", "spiral.cli.main", "train", "--preset", preset]
    command += ["--runs", str(runs), "--run", name, *options]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
    process = psutil.Process(child.pid)
    try:
        yield Training(process, runs / name)
    finally:
        # The first signal stops the run, the second one skips the pictures of its ending.
        deadline = time.monotonic() + END_S
        child.send_signal(signal.SIGINT)
        while child.poll() is None and time.monotonic() < deadline:
            time.sleep(POLL_S)
            if not psutil.Process(child.pid).children():
                child.send_signal(signal.SIGINT)
        child.kill()
        child.wait()
