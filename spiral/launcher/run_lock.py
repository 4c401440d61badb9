"""A lock, so that only one process at a time trains a run.

It uses flock and not the package filelock: the services inherit the lock, which filelock's release would undo, and
``spiral status`` needs a shared lock, which filelock does not have.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path

import psutil

ORPHANS_S = 30.0
"""If the launcher is killed, its services write their checkpoints and stop within this time."""


def take_lock(path: Path, clock: Callable[[], float]) -> int:
    """Lock the file and write this process's id into it. Returns the descriptor; ValueError names the current holder.

    The services inherit the lock. So if the launcher is killed, the run is free only after they have stopped.
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
