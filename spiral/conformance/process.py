"""The target as a process that the suite starts, for the cases that restart it or ask it to end."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import IO, NoReturn

END_S = 60.0
"""Longest time that a target may take to end after SIGTERM."""


class Command:
    """A command line that serves the target; runs in a session of its own, so that signals reach it alone."""

    def __init__(self, command: str, environment: Mapping[str, str], log: Path) -> None:
        """``environment`` is added to this process's. ValueError if ``command`` is no command line."""
        try:
            self._arguments = shlex.split(command)
        except ValueError as error:
            raise ValueError(f'command: "{command}" is no command line ({error})') from error
        if not self._arguments:
            raise ValueError("command: it is empty; expected the command that starts the target")
        self._environment = {**os.environ, **environment}
        self.log = log
        """What it prints."""
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        """Whether it lives."""
        return self._process is not None and self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        """With what it ended; None while it runs, or before it was started."""
        return None if self._process is None else self._process.poll()

    def start(self) -> None:
        """Start it; ValueError if there is no such program."""
        out: IO[bytes]
        try:
            with self.log.open("ab") as out:
                self._process = subprocess.Popen(
                    self._arguments,
                    env=self._environment,
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=out,
                    start_new_session=True,
                )
        except OSError as error:
            raise ValueError(f"command: {self._arguments[0]} can't be started ({error.strerror})") from error

    def terminate(self) -> None:
        """Ask it to end."""
        if self.running and self._process is not None:
            self._process.terminate()

    def wait(self, timeout_s: float = END_S) -> int | None:
        """Wait for its end; the exit code, or None if it still lives after ``timeout_s``."""
        if self._process is None:
            return None
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    def kill(self) -> None:
        """End it and whatever it started, without a word."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def tail(self, lines: int = 5) -> str:
        """The last lines that it printed."""
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


@contextlib.contextmanager
def ending_in_order() -> Iterator[None]:
    """Have SIGTERM and SIGHUP unwind the block, with exit code 143 or 129: a target lives in a session of its own, and
    would outlive whoever started it. A signal that is ignored, as ``nohup`` has SIGHUP, stays so. Main thread only.
    """

    def end(number: int, frame: FrameType | None) -> NoReturn:
        raise SystemExit(128 + number)

    wanted = [n for n in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(n) is not signal.SIG_IGN]
    before = {number: signal.signal(number, end) for number in wanted}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
