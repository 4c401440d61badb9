"""Our renderer keeps what the suite asks for: in this process, and as a process over every kind of address."""

from __future__ import annotations

import datetime
import json
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from spiral.cli.main import main
from spiral.wire.certificates import write_set
from tests.processes import free_port

LARGE = '{"grid": 8, "canvas": 256, "view": 128, "colour": true}'
"""Of which a message holds many, and not 4,096."""


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["unix", "tcp", "tls"])
def test_our_renderer_passes_as_a_process(kind: str, tmp_path: Path) -> None:
    address = f"unix:{tmp_path}/r" if kind == "unix" else f"127.0.0.1:{free_port()}"
    command = [sys.executable, "-m", "services.renderer", "--max-streams=4"]
    suite = [f"--target={address}", "--level=extended", f"--settings={LARGE}", "--load"]
    if kind == "tls":
        day = datetime.timedelta(days=1)
        write_set(tmp_path / "certs", [], day, datetime.datetime.now(datetime.UTC))
        for option, file in (("ca", "ca.crt"), ("cert", "tls.crt"), ("key", "tls.key")):
            command.append(f"--tls-{option}={tmp_path}/certs/renderer/{file}")
            suite.append(f"--tls-{option}={tmp_path}/certs/learner/{file}")
    suite += [f"--command={' '.join(command)}", f"--report={tmp_path}/r.json", f"--junit={tmp_path}/r.xml"]
    assert main(["conformance", "renderer", *suite]) == 0
    report = json.loads((tmp_path / "r.json").read_text())
    outcomes = {case["name"]: case["outcome"] for case in report["cases"]}
    assert set(outcomes.values()) == {"passed"}
    assert report["measurements"][0]["frames_per_s"] > 0
    suites = ElementTree.parse(tmp_path / "r.xml").getroot()
    assert (suites.get("failures"), suites.get("tests")) == ("0", str(len(outcomes)))
