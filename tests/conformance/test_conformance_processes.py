"""Our four services pass core and extended as processes, over Unix sockets, TCP and TLS."""

from __future__ import annotations

import datetime
import json
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from spiral.cli.main import main
from spiral.wire.certificates import write_set
from spiral.wire.edges import SERVICES, Service
from tests.conformance.hosted import RUN
from tests.processes import free_port

SKIPPED: dict[Service, set[str]] = {
    "renderer": set(),
    "actor": {"targets_come_from_the_discriminator"},
    "learner": set(),
    "discriminator": set(),
}
TARGET: dict[Service, list[str]] = {
    "renderer": ["--max-streams=4"],
    "actor": ["--stream-life-s=1"],
    "learner": [],
    "discriminator": [
        "--config=demo",
        "--observation-shape=16x16x1",
        *(
            f"--set={setting}"
            for setting in (
                "engine.settings.view=16",
                "discriminator.channels=[4,8]",
                "discriminator.batch=4",
                "discriminator.updates_per_batch=2",
            )
        ),
    ],
}
SUITE: dict[Service, list[str]] = {
    # Of which a message holds many, and not 4,096.
    "renderer": ['--settings={"grid": 8, "canvas": 256, "view": 128, "colour": true}'],
    "actor": [f"--set={setting}" for setting in RUN],
    "learner": [f"--set={setting}" for setting in RUN],
    "discriminator": [],
}


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("kind", ["unix", "tcp", "tls"])
@pytest.mark.parametrize("service", SERVICES)
def test_ours_passes(service: Service, kind: str, tmp_path: Path) -> None:
    address = f"unix:{tmp_path}/t" if kind == "unix" else f"127.0.0.1:{free_port()}"
    command = [sys.executable, "-m", f"services.{service}", *TARGET[service]]
    suite = [f"--target={address}", "--level=extended", "--load", *SUITE[service]]
    if service == "discriminator":
        command.append(f"--run-dir={tmp_path}/run")
    if service == "learner" and kind != "unix":
        suite.append(f"--learner-data=127.0.0.1:{free_port()}")
    if kind == "tls":
        write_set(tmp_path / "certs", [], datetime.timedelta(days=1), datetime.datetime.now(datetime.UTC))
        for option, file in (("ca", "ca.crt"), ("cert", "tls.crt"), ("key", "tls.key")):
            command.append(f"--tls-{option}={tmp_path}/certs/{service}/{file}")
            suite.append(f"--tls-{option}={tmp_path}/certs/learner/{file}")
    suite += [f"--command={' '.join(command)}", f"--report={tmp_path}/r.json", f"--junit={tmp_path}/r.xml"]
    assert main(["conformance", service, *suite]) == 0
    report = json.loads((tmp_path / "r.json").read_text())
    outcomes = {case["name"]: case["outcome"] for case in report["cases"]}
    assert {name for name, outcome in outcomes.items() if outcome != "passed"} == SKIPPED[service]
    assert all(value for row in report["measurements"] for name, value in row.items() if name.endswith("_per_s"))
    suites = ElementTree.parse(tmp_path / "r.xml").getroot()
    assert (suites.get("failures"), suites.get("tests")) == ("0", str(len(outcomes)))
