"""Progress is shown on terminals only, with the time that is left."""

from __future__ import annotations

import io

import pytest

from spiral.cli import progress
from spiral.cli.progress import Progress, duration


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_durations_are_words() -> None:
    assert [duration(seconds) for seconds in (0.4, 89, 91, 3500, 4800)] == [
        "0 s",
        "89 s",
        "2 min",
        "58 min",
        "1 h 20 min",
    ]


def test_a_terminal_sees_share_and_time_left_and_a_file_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    for stream in (Terminal(), io.StringIO()):
        monkeypatch.setattr("sys.stderr", stream)
        shown = Progress(4)
        now[0] += 10
        shown.at(1)
        now[0] += 0.1
        shown.at(2)  # too soon after the last
        now[0] += 9.9
        shown.at_share(2, 0.5)
        shown.clear()
        expected = "\r25%, 30 s left\r62%, 12 s left\r" + 14 * " " + "\r" if stream.isatty() else ""
        assert stream.getvalue() == expected
