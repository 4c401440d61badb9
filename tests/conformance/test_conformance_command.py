"""``spiral conformance``, its reports and its plugin: what they say, and with which exit code."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import grpc
import psutil
import pytest

from spiral.cli.main import main
from spiral.conformance.case import Case, Failure, Skip, case, refused, require
from spiral.conformance.reports import write_json, write_junit
from spiral.conformance.running import run_cases
from spiral.conformance.target import Target
from tests.conformance.hosted import ENGINE_SETTINGS, hosted_renderer
from tests.support.processes import until


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "--target: not given; expected an address"),
        (["--target=nowhere"], '"nowhere" is no address'),
        (["--target=127.0.0.1:1", "--tls-ca=ca.crt"], "all three or none"),
        (["--target=127.0.0.1:1", "--curve-key=learner.key_secret"], "both or neither"),
        (["--command=no-such-program"], "no-such-program can't be started"),
        (["--command='"], "is no command line"),
    ],
)
def test_what_makes_no_sense_is_a_sentence(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["conformance", "renderer", *arguments]) == 2
    assert sentence in capsys.readouterr().err


def test_pictures_of_no_size_are_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["conformance", "discriminator", "--target=127.0.0.1:1", "--observation-shape=32"]) == 2
    assert '"32" is no HxWxC' in capsys.readouterr().err


def test_a_command_that_ends_is_a_failure_with_what_it_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["conformance", "renderer", "--command=sh -c 'echo no brushes >&2; exit 3'"]) == 1
    assert "the command ended with 3: no brushes" in capsys.readouterr().err


def test_a_target_does_not_outlive_the_suite_that_a_signal_ends(tmp_path: Path) -> None:
    log = tmp_path / "pid"
    target = f"sh -c 'echo $$ >{log}.part; mv {log}.part {log}; exec sleep 600'"
    command = (sys.executable, "-m", "spiral.cli.main", "conformance", "renderer", f"--command={target}")
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as suite:
        until(log.exists, "the target to run")
        suite.terminate()
    assert suite.returncode == 128 + signal.SIGTERM
    until(lambda: not lives(int(log.read_text())), "the target to end")


def lives(pid: int) -> bool:
    """Whether a process runs; one that has ended may wait for its parent, whoever that is by now."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@case("renderer", "identity")
def it_holds(target: object) -> None:
    """It holds.

    Does nothing.
    """


@case("renderer", "identity")
def it_breaks(target: object) -> None:
    """It breaks.

    Requires what is not there.
    """
    require([], "1 is not above 2")


@case("renderer", "identity")
def it_errs(target: object) -> None:
    """It errs.

    Divides by zero.
    """
    _ = 1 / 0


@case("renderer", "identity")
def it_is_skipped(target: object) -> None:
    """It is skipped.

    Says why.
    """
    raise Skip("there is no need")


CASES: list[Case] = [it_holds, it_breaks, it_errs, it_is_skipped]


def test_one_failure_keeps_no_other_case_from_running_and_all_are_reported(tmp_path: Path) -> None:
    target = Target("renderer", "unix:/nowhere")
    results = run_cases(CASES, target, lambda result: None)
    assert [(result.outcome, result.why) for result in results] == [
        ("passed", ""),
        ("failed", "1 is not above 2"),
        ("failed", "ZeroDivisionError: division by zero"),
        ("skipped", "there is no need"),
    ]
    write_json(tmp_path / "r.json", results, target, "core")
    report = json.loads((tmp_path / "r.json").read_text())
    assert (report["passed"], report["level"], len(report["cases"])) == (False, "core", 4)
    assert report["cases"][1]["why"] == "1 is not above 2"
    write_junit(tmp_path / "r.xml", results, target)
    suite = ElementTree.parse(tmp_path / "r.xml").getroot()
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("4", "2", "1")
    assert [element.tag for testcase in suite for element in testcase] == ["failure", "failure", "skipped"]


class Refusal(grpc.RpcError):
    def __init__(self, code: grpc.StatusCode, details: str) -> None:
        self.code = lambda: code
        self.details = lambda: details


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (None, "a batch of 0: accepted; expected INVALID_ARGUMENT"),
        (Refusal(grpc.StatusCode.INTERNAL, "oh"), r"INTERNAL \(oh\); expected INVALID_ARGUMENT"),
        (Refusal(grpc.StatusCode.INVALID_ARGUMENT, "wrong"), 'the details "wrong" do not name batch'),
    ],
)
def test_a_refusal_has_the_right_status_and_names_the_field(error: Exception | None, message: str) -> None:
    def call() -> None:
        if error is not None:
            raise error

    with pytest.raises(Failure, match=message), refused("a batch of 0", grpc.StatusCode.INVALID_ARGUMENT, "batch"):
        call()


@pytest.mark.slow
def test_it_runs_as_a_plugin_of_pytest(tmp_path: Path) -> None:
    with hosted_renderer(tmp_path) as target:
        command = [sys.executable, "-m", "pytest", "-p", "spiral.conformance.plugin", "-p", "no:cacheprovider", "-rs"]
        options = [
            "--conformance=renderer",
            f"--conformance-target={target.address}",
            f"--conformance-settings={ENGINE_SETTINGS}",
        ]
        done = subprocess.run(
            [*command, *options, str(tmp_path)], cwd=tmp_path, capture_output=True, text=True, check=False
        )
    assert done.returncode == 0, done.stdout
    assert "--command was not given" in done.stdout
    assert " passed" in done.stdout
