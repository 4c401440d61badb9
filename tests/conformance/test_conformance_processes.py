"""Our four services pass core and extended as processes, over Unix sockets, TCP and TLS."""

from __future__ import annotations

import datetime
import itertools
import json
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from spiral.cli.main import main
from spiral.wire.certificates import write_set
from spiral.wire.edges import SERVICES, Service
from tests.conformance.hosted import CUT, RUN
from tests.conformance.stage import OF_CUT
from tests.support.processes import free_port

NOT_HERE = {"targets_come_from_the_discriminator", "strangers_are_not_heard", *OF_CUT}
SKIPPED: dict[str, set[str]] = {
    "unix": NOT_HERE,
    "tcp": NOT_HERE,
    "tls": NOT_HERE - {"strangers_are_not_heard"},
    "unrolls": {"strangers_are_not_heard"},
    "scenes": set(),
}
"""Cases that a kind of run has no use for."""
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


PEER: dict[Service, Service] = {"actor": "learner", "learner": "actor"}
"""The other end of the trajectories, which are encrypted with TLS."""


def _curve(certificates: Path, service: Service) -> list[str]:
    own = certificates / service
    return [f"--curve-key={own}/curve.key_secret", f"--curve-peers={own}/{PEER[service]}.key"]


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ("service", "kind"),
    [
        *itertools.product(SERVICES, ("unix", "tcp", "tls")),
        ("learner", "unrolls"),
        ("actor", "unrolls"),
        ("renderer", "scenes"),
    ],
)
def test_ours_passes(service: Service, kind: str, tmp_path: Path) -> None:
    address = f"127.0.0.1:{free_port()}" if kind in {"tcp", "tls"} else f"unix:{tmp_path}/t"
    command = [sys.executable, "-m", f"spiral.services.{service}", *TARGET[service]]
    suite = [f"--target={address}", "--level=extended", "--load", *SUITE[service]]
    if service == "discriminator":
        command.append(f"--run-dir={tmp_path}/run")
    if kind == "unrolls":
        suite += [f"--set={setting}" for setting in CUT]
    if kind == "scenes":
        suite += ["--engine=scenes", '--settings={"canvas": 256, "view": 128}']
    if service == "learner" and kind in {"tcp", "tls"}:
        suite.append(f"--learner-data=127.0.0.1:{free_port()}")
    if kind == "tls":
        write_set(tmp_path / "certs", [], datetime.timedelta(days=1), datetime.datetime.now(datetime.UTC))
        for option, file in (("ca", "ca.crt"), ("cert", "tls.crt"), ("key", "tls.key")):
            command.append(f"--tls-{option}={tmp_path}/certs/{service}/{file}")
            suite.append(f"--tls-{option}={tmp_path}/certs/learner/{file}")
        if service in PEER:
            command += _curve(tmp_path / "certs", service)
            suite += _curve(tmp_path / "certs", PEER[service])
    suite += [f"--command={' '.join(command)}", f"--report={tmp_path}/r.json", f"--junit={tmp_path}/r.xml"]
    assert main(["conformance", service, *suite]) == 0
    report = json.loads((tmp_path / "r.json").read_text())
    outcomes = {case["name"]: case["outcome"] for case in report["cases"]}
    skipped = {name for name, outcome in outcomes.items() if outcome != "passed"}
    assert skipped == SKIPPED[kind] & set(outcomes)
    assert all(value for row in report["measurements"] for name, value in row.items() if name.endswith("_per_s"))
    suites = ElementTree.parse(tmp_path / "r.xml").getroot()
    assert (suites.get("failures"), suites.get("tests")) == ("0", str(len(outcomes)))
