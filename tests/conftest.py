"""What every test leaves as it found it, and what is printed at the end of a run."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

MUTANT = "mutant"
"""Name under which a test records a row of the table: service, mutant and the cases that found it."""


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """A service that a test starts in this process logs to the standard error of that test, which then is closed."""
    root = logging.getLogger()
    level, before = root.level, set(root.handlers)
    yield
    root.setLevel(level)
    for handler in set(root.handlers) - before:
        root.removeHandler(handler)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print which case found which mutant; reports carry it, because tests may run in other processes."""
    reports = terminalreporter.getreports("passed")
    rows = [value for report in reports for name, value in report.user_properties if name == MUTANT]
    if not rows:
        return
    terminalreporter.section("mutant → case")
    for service, mutant, cases in rows:
        terminalreporter.write_line(f"{service:13}  {mutant:45}  {cases}")
