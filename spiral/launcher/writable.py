"""Checks that the run's directory can still be written; the services only say so in their logs, which are in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

CHECK_S = 5.0
"""Time between two checks, far shorter than between checkpoints."""
PROBE = ".writable"


class WritableCheck:
    """Notices when a directory can't be written any more, and when it can again::

    check = WritableCheck(run.path, checkpoint_s, time.monotonic, display.say)
    while training:
        check.step()
    """

    def __init__(
        self, folder: Path, checkpoint_s: float, clock: Callable[[], float], notify: Callable[[str], None]
    ) -> None:
        """``notify`` gets one sentence per change; ``checkpoint_s`` is the time between checkpoints."""
        self._folder, self._checkpoint_s = folder, checkpoint_s
        self._clock, self._notify = clock, notify
        self._checked_s = clock()
        self._problem = ""

    def step(self) -> None:
        """Check, if it is time to."""
        if self._clock() - self._checked_s < CHECK_S:
            return
        self._checked_s = self._clock()
        before, self._problem = self._problem, self._try()
        if self._problem and not before:
            self._notify(
                f"{self._folder} can't be written: {self._problem}; the run goes on and tries again every "
                f"{self._checkpoint_s:g} s, but what it learns is lost if it ends before that is fixed"
            )
        elif before and not self._problem:
            self._notify(f"{self._folder} can be written again; the next checkpoint holds everything")

    def _try(self) -> str:
        """Write and remove a small file. Returns what went wrong, or an empty text."""
        probe = self._folder / PROBE
        try:
            probe.write_text("the launcher checks whether it can write here\n")
            probe.unlink()
        except OSError as error:
            return error.strerror or str(error)
        return ""
