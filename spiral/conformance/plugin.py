"""The suite as a plugin of pytest, for an implementer's own tests.

    pytest -p spiral.conformance.plugin --conformance renderer --conformance-command 'node renderer.js'

Each case is one test item; a skip is pytest's skip. Without ``--conformance`` the plugin does nothing.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from spiral.wire.edges import SERVICES

if TYPE_CHECKING:
    from spiral.conformance.case import Case
    from spiral.conformance.target import Target

TEXTS = {
    "target": "address of the service",
    "command": "command that starts it, with its address in SPIRAL_LISTEN",
    "metrics": "URL of its metrics page (default: GetInfo's)",
    "drain-command": "shell command that asks it to end",
    "engine": "engine to paint with (default: GetInfo's first)",
    "settings": "its settings as JSON",
    "observation-shape": "HxWxC of the pictures (default: as SampleTargets shows them)",
    "config": "run of a learner or an actor: a preset or a YAML file (default: demo)",
    "learner-data": "where a learner takes trajectories (default: told in SPIRAL_LEARNER_DATA)",
}
FILES = {
    "tls-ca": "authority, PEM",
    "tls-cert": "own certificate, PEM",
    "tls-key": "own key, PEM",
    "curve-key": "own key file for CURVE toward a learner or an actor",
    "curve-peers": "public key of the learner, or those of the actors",
    "weights": "weights for an actor of another policy, safetensors",
}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the command line, prefixed."""
    group = parser.getgroup("conformance", "conformance of a service with the protocol")
    group.addoption("--conformance", choices=SERVICES, help="which service is under test")
    group.addoption("--conformance-level", choices=("core", "extended"), default="core", help="up to which level")
    group.addoption("--conformance-set", action="append", default=[], help="single settings of the run, key=value")
    for name, text in TEXTS.items():
        group.addoption(f"--conformance-{name}", default="", help=text)
    for name, text in FILES.items():
        group.addoption(f"--conformance-{name}", type=Path, help=text)


def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    """Add one item for each case."""
    service = config.getoption("conformance")
    if service is None:
        return
    from spiral.conformance.catalogue import cases_of  # noqa: PLC0415  (nothing heavy in runs that don't ask for it)

    for each in cases_of(service, config.getoption("conformance_level")):
        items.append(ConformanceItem.from_parent(session, name=f"{service}: {each.sentence}", case=each))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """End the target."""
    session.config.stash.get(STACK, ExitStack()).close()


STACK = pytest.StashKey[ExitStack]()
TARGET = pytest.StashKey["Target"]()


class ConformanceItem(pytest.Item):
    """One case."""

    def __init__(self, *, case: Case, **rest: Any) -> None:
        super().__init__(**rest)
        self._case = case

    def runtest(self) -> None:
        """Run the case against the target, which the first one starts."""
        from spiral.conformance.running import run_case  # noqa: PLC0415

        result = run_case(self._case, _target(self.config))
        if result.outcome == "skipped":
            pytest.skip(result.why)
        if result.outcome == "failed":
            pytest.fail(result.why, pytrace=False)


def _target(config: pytest.Config) -> Target:
    from spiral.conformance.session import opened  # noqa: PLC0415
    from spiral.conformance.suite_options import SuiteOptions  # noqa: PLC0415

    if TARGET not in config.stash:
        given = {name: config.getoption(f"--conformance-{name}") for name in (*TEXTS, *FILES)}
        wanted: dict[str, Any] = {name.replace("-", "_"): value for name, value in given.items() if value}
        wanted["set"] = tuple(config.getoption("--conformance-set"))
        service, level = config.getoption("--conformance"), config.getoption("--conformance-level")
        stack = config.stash[STACK] = ExitStack()
        config.stash[TARGET] = stack.enter_context(opened(SuiteOptions(service, level=level, **wanted)))
    return config.stash[TARGET]
