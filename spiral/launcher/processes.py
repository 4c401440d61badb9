"""One child process: detached from the terminal, with its output in a log, and reliably stopped."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Command:
    """What to start, and where its output goes."""

    name: str
    argv: Sequence[str]
    log: Path
    """Standard output and error are appended here; never the user's screen."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables in addition to the launcher's own environment."""
    inherit: Sequence[int] = ()
    """File descriptors that stay open in the child."""
    niceness: int = 0
    """Niceness above the launcher's own, 0 … 19: how far it steps back if processes want more cores than there are."""


class Process:
    """A running child, the leader of its own session.

    The session keeps Ctrl-C away from it: the terminal sends that to the whole foreground group, and the services must
    stop in order. The child is started by vfork and exec, never by a plain fork, which gRPC's threads do not survive.
    """

    def __init__(self, command: Command) -> None:
        command.log.parent.mkdir(parents=True, exist_ok=True)
        with command.log.open("ab") as log:
            self._child = subprocess.Popen(
                command.argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **command.environment},
                pass_fds=tuple(command.inherit),
                start_new_session=True,
            )
        if command.niceness:
            # Set before the child has threads, which inherit it. Linux limits it to 19 by itself.
            with suppress(ProcessLookupError):
                os.setpriority(os.PRIO_PROCESS, self.pid, os.getpriority(os.PRIO_PROCESS, 0) + command.niceness)

    @property
    def pid(self) -> int:
        """Process id."""
        return self._child.pid

    def exit_code(self) -> int | None:
        """None while it runs; −n if signal n ended it."""
        return self._child.poll()

    def terminate(self) -> None:
        """Ask it to stop."""
        if self.exit_code() is None:
            self._child.terminate()

    def kill(self) -> None:
        """End it and everything that it started, now."""
        # The group outlives its leader while a grandchild runs. If the group is already gone, all is well.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self._child.wait()

    def wait(self, grace_s: float, hurry: Callable[[], bool] = lambda: False) -> bool:
        """Wait at most ``grace_s`` seconds, or until ``hurry``, for it to end. Returns whether it ended."""
        waited_s, slice_s = 0.0, 0.05
        while waited_s < grace_s and not hurry():
            try:
                self._child.wait(slice_s)
            except subprocess.TimeoutExpired:
                waited_s += slice_s
            else:
                return True
        return self.exit_code() is not None


def describe_exit(code: int) -> str:
    """An exit code in words."""
    if code < 0:
        with suppress(ValueError):
            return f"was ended by {signal.Signals(-code).name}"
        return f"was ended by signal {-code}"
    return f"exited with code {code}"


def last_lines(log: Path, count: int = 12) -> str:
    """The end of a log, each line indented by two spaces."""
    try:
        with log.open("rb") as file:
            # Long enough for the end of any traceback; a log of gigabytes is not read whole.
            file.seek(max(0, log.stat().st_size - 16_384))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError as error:
        return f"  ({error})"
    return "\n".join(f"  {line}" for line in lines[-count:]) or "  (it said nothing)"
