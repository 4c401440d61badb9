"""One log line for repeated failures: at once the first time, then ever more rarely, with a count."""

from __future__ import annotations

FIRST_S, LONGEST_S = 20.0, 300.0
"""Time until the second line, and the longest time between two; in between it doubles."""


class RepeatedFailure:
    """Counts the failures of one operation and says when a log line is due::

    if (times := failure.failed(clock())) is not None:
        log.warning("no weights: %s%s", reason, times)
    """

    def __init__(self) -> None:
        self._count = 0
        self._first_s = self._due_s = 0.0
        self._interval_s = FIRST_S

    def failed(self, now_s: float) -> str | None:
        """Text for the end of the line: empty the first time, then the count. None: no line is due."""
        self._count += 1
        if self._count == 1:
            self._first_s, self._due_s = now_s, now_s + self._interval_s
            return ""
        if now_s < self._due_s:
            return None
        self._interval_s = min(2 * self._interval_s, LONGEST_S)
        self._due_s = now_s + self._interval_s
        return f" ({self._count} times in {now_s - self._first_s:.0f} s)"

    def ended(self) -> None:
        """The operation succeeded: the next failure counts as the first."""
        self._count, self._interval_s = 0, FIRST_S
