"""How far a command is, and how long it still takes: one line on a terminal's standard error."""

from __future__ import annotations

import sys
import time

EVERY_S = 0.2


class Progress:
    """Progress over ``total`` equal parts; says nothing if standard error is no terminal."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._began = self._said = time.monotonic()
        self._shown = ""

    def at(self, done: float) -> None:
        """So many parts are done, fractions too."""
        now = time.monotonic()
        if not sys.stderr.isatty() or now - self._said < EVERY_S:
            return
        self._said = now
        left = "" if not done else f", {duration((now - self._began) / done * (self._total - done))} left"
        self._show(f"{done / self._total:.0%}{left}")

    def at_share(self, done: float, share: float) -> None:
        """So many parts are done, and this share of the next one."""
        self.at(done + share)

    def clear(self) -> None:
        """Take the line away, so that something else can be written."""
        self._show("")

    def _show(self, text: str) -> None:
        if text or self._shown:
            sys.stderr.write(f"\r{text.ljust(len(self._shown))}" + ("" if text else "\r"))
            sys.stderr.flush()
        self._shown = text


def duration(seconds: float) -> str:
    """In words: ``9 s``, ``3 min``, ``1 h 20 min``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
