"""What every test leaves as it found it, and what is printed at the end of a run."""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Generator, Iterator

import pytest

MISSING = re.compile(r"not installed|could not import|needed|needs ")
"""What a test says that is skipped because this machine lacks something."""
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


@pytest.fixture(autouse=True)
def denormals_as_before() -> Iterator[None]:
    """A service flushes them to zero, for good; Hypothesis refuses to draw floats in a process that does."""
    yield
    if "torch" in sys.modules:
        sys.modules["torch"].set_flush_denormal(False)


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Networks as small as those of tests lose more by sharing work than they win, most of all beside other tests."""
    import torch  # noqa: PLC0415  (most tests do without)

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A missing part is a reason to skip on a user's machine alone: with CI=true it fails."""
    del item
    report = yield
    if report.skipped and os.environ.get("CI") == "true" and MISSING.search(str(report.longrepr)):
        report.outcome = "failed"
        report.longrepr = f"with CI=true nothing may be missing: {report.longrepr}"
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print which case found which mutant; reports carry it, because tests may run in other processes."""
    reports = terminalreporter.getreports("passed")
    rows = [value for report in reports for name, value in report.user_properties if name == MUTANT]
    if not rows:
        return
    terminalreporter.section("mutant → case")
    for service, mutant, cases in rows:
        terminalreporter.write_line(f"{service:13}  {mutant:45}  {cases}")
