"""Stacks of all threads in a service's log, as faulthandler writes them on SIGUSR1."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import psutil

FIRST = ("Thread 0x", "Current thread 0x")
PATIENCE_S, ASK_AGAIN_S = 10.0, 0.1


def last_stacks(log: str) -> str:
    """The newest stacks in a log, complete; empty if there are none."""
    blocks: list[list[str]] = []
    inside = False
    for line in log.splitlines():
        starts = line.startswith(FIRST)
        if starts and not inside:
            blocks.append([])
        inside = starts or (inside and (not line or line.startswith("  ")))
        if inside:
            blocks[-1].append(line)
    # The thread that handles the signal comes last.
    whole = [block for block in blocks if any(line.startswith(FIRST[1]) for line in block)]
    return "\n".join(whole[-1]).strip() + "\n" if whole else ""


def handles_signal(pid: int) -> bool:
    """Whether a process handles SIGUSR1, which would end it otherwise."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("SigCgt:"):
            return bool(int(line.split()[1], 16) >> (signal.SIGUSR1 - 1) & 1)
    return False


def stacks_of_run(pid: int, logs: Path) -> list[tuple[str, str]]:
    """Name and stacks of each service that the launcher ``pid`` runs; empty stacks if a service has logged none."""
    found = []
    for process in psutil.Process(pid).children(recursive=True):
        words = process.cmdline()
        name = next((word.rpartition(".")[2] for word in words if word.startswith("spiral.services.")), "")
        if name and handles_signal(process.pid):
            found.append((name, _ask(process.pid, logs / f"{name}.log")))
    return found


def _ask(pid: int, log: Path) -> str:
    before, seen = log.stat().st_size, ""
    os.kill(pid, signal.SIGUSR1)
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        with log.open(errors="replace") as file:
            file.seek(before)
            found = last_stacks(file.read())
        if found and found == seen:  # nothing more of it is on its way
            break
        seen = found
        time.sleep(ASK_AGAIN_S)
    return seen
