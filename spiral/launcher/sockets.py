"""A private folder for the Unix sockets of a run, with paths short enough for the kernel."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LONGEST_PATH = 107
"""Bytes of a socket's path that fit into the kernel's address, which ends with a zero byte."""
LONGEST_NAME = "/discriminator.sock"
"""Longest name used in the folder."""


@contextmanager
def socket_directory(run: Path) -> Iterator[Path]:
    """A folder of mode 0700, removed afterwards: in the run's directory if sockets fit there, else a temporary one.

    ValueError if neither can hold one.
    """
    folder = run.resolve() / "sockets"
    shutil.rmtree(folder, ignore_errors=True)  # left by a killed launcher; we hold the run's lock
    if not _can_hold(folder):
        shutil.rmtree(folder, ignore_errors=True)
        folder = Path(tempfile.mkdtemp(prefix="spiral-", dir=_short_temporary()))
        if not _can_hold(folder):
            shutil.rmtree(folder, ignore_errors=True)
            raise ValueError(
                f"sockets: neither {run} nor {folder.parent} can hold a Unix socket; set TMPDIR to a local folder"
            )
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _short_temporary() -> str | None:
    """The usual temporary folder, or ``/tmp`` if TMPDIR is too long a path."""
    usual = tempfile.gettempdir()
    return usual if len(os.fsencode(usual)) < LONGEST_PATH - 40 else "/tmp"


def _can_hold(folder: Path) -> bool:
    """Whether a socket can be bound there; some network and foreign file systems can't hold one."""
    if len(os.fsencode(folder)) + len(LONGEST_NAME) > LONGEST_PATH:
        return False
    probe = folder / "probe.sock"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(probe))
        probe.unlink()
    except OSError:
        return False
    return True
