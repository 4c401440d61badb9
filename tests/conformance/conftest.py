"""Prints which case found which mutant at the end of a run."""

from __future__ import annotations

import pytest

FOUND = pytest.StashKey[list[tuple[str, str, str]]]()


@pytest.fixture
def found(request: pytest.FixtureRequest) -> list[tuple[str, str, str]]:
    """Service, mutant and the cases that found it, of this run."""
    return request.config.stash.setdefault(FOUND, [])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """The table."""
    rows = config.stash.get(FOUND, [])
    if not rows:
        return
    terminalreporter.section("mutant → case")
    for service, mutant, cases in rows:
        terminalreporter.write_line(f"{service:13}  {mutant:45}  {cases}")
