"""Options from flags, environment and file, and what is said of wrong ones."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from pydantic import Field

from spiral.serving.options import Address, RunOptions, StartError, parse, refuse, run


class Options(RunOptions):
    """Does something."""

    listen: Address = "127.0.0.1:50051"
    """Address of its gRPC server."""
    batch: int = Field(64, ge=1, le=4096)
    """Canvases, number."""
    spiral_port: str = ""
    """An option whose variable Kubernetes might set."""


def read(*argv: str, **environment: str) -> Options:
    return parse(Options, "renderer", argv, environment)


def test_everything_has_a_default() -> None:
    assert read() == Options()


def test_flags_win_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "options.yaml"
    file.write_text("batch: 1\nlog_level: error\nlisten: file:1\n")
    options = read("--batch", "3", SPIRAL_BATCH="2", SPIRAL_LISTEN="environment:1", SPIRAL_OPTIONS_FILE=str(file))
    assert (options.batch, options.listen, options.log_level) == (3, "environment:1", "error")


def test_the_file_can_be_a_flag_too(tmp_path: Path) -> None:
    file = tmp_path / "options.yaml"
    file.write_text("learner_data: unix:/run/data.sock\nset: [seed=1]\n")
    options = read("--options-file", str(file))
    assert (options.learner_data, options.set) == ("unix:/run/data.sock", ("seed=1",))


def test_names_have_dashes_as_flags_and_capitals_in_the_environment() -> None:
    assert read("--learner-data", "a:1").learner_data == "a:1"
    assert read(SPIRAL_LEARNER_DATA="a:1").learner_data == "a:1"


def test_settings_of_the_run_may_be_several() -> None:
    expected = ("learner.reuse=2", "learner.terms={a: 1, b: 2}")
    assert read("--set", expected[0], "--set", expected[1]).set == expected
    assert read(SPIRAL_SET="\n".join(expected)).set == expected
    assert read(SPIRAL_SET='["learner.reuse=2", "learner.terms={a: 1, b: 2}"]').set == expected
    assert read("--config", "mnist", *("--set", "learner.reuse=3")).run_config().learner.reuse == 3


def test_what_kubernetes_injects_for_a_service_is_no_setting() -> None:
    injected = {"SPIRAL_SPIRAL_PORT": "tcp://10.0.0.1:50051", "SPIRAL_LEARNER_PORT": "tcp://10.0.0.1:50053"}
    assert read(**injected) == Options()
    assert read(SPIRAL_SPIRAL_PORT="seven").spiral_port == "seven"


def test_an_empty_variable_is_as_good_as_none() -> None:
    assert read(SPIRAL_BATCH="", SPIRAL_OPTIONS_FILE="") == Options()


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (["--batch", "0"], "batch: input should be greater than or equal to 1, but it is '0'"),
        (["--batch", "many"], "batch: input should be a valid integer"),
        (["--listen", "nowhere"], 'listen: "nowhere" is no address; write host:port, unix:/path or dns:///name:port'),
        (["--listen", "host:70000"], 'listen: port 70000 of "host:70000" is outside 0…65535'),
        (["--health", "unix:relative"], 'health: "unix:relative" has no absolute path'),
        (["--listen", "unix:/" + "x" * 107], "has 108 bytes, but a socket's path has at most 107"),
        (["--metrics", "unix:/x"], 'metrics: "unix:/x" is not host:port with a port in 0…65535'),
        (["--log-level", "loud"], "log_level: input should be 'debug', 'info', 'warning' or 'error'"),
        (["--lisen", "a:1"], 'unrecognized arguments: --lisen a:1; did you mean "--listen"? --help lists the options'),
        (["--listen"], "argument --listen: expected one argument"),
    ],
)
def test_a_wrong_flag_is_a_sentence(argv: list[str], sentence: str) -> None:
    with pytest.raises(StartError) as raised:
        read(*argv)
    assert sentence in str(raised.value)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("lisen: a:1", '"lisen" is unknown; did you mean "listen"?'),
        ("- a", "found list; expected options as name: value"),
        ("a: [", "can't be read"),
    ],
)
def test_a_wrong_file_is_a_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    file = tmp_path / "options.yaml"
    file.write_text(text)
    with pytest.raises(StartError) as raised:
        read("--options-file", str(file))
    assert sentence in str(raised.value)
    assert str(file) in str(raised.value)


def test_a_missing_file_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(StartError, match=r"nothing\.yaml can't be read"):
        read("--options-file", str(tmp_path / "nothing.yaml"))


def test_a_service_that_cannot_start_says_why_and_exits_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(Options, "renderer", lambda options: 0, ["--batch", "0"]) == 2
    assert capsys.readouterr().err.startswith("renderer: batch: ")


def test_a_service_that_starts_decides_its_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(Options, "renderer", lambda options: options.batch, ["--batch", "7"]) == 7
    monkeypatch.setattr(sys, "argv", ["renderer", "--batch", "8"])
    assert run(Options, "renderer", lambda options: options.batch) == 8


def test_kubernetes_learns_why_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "termination-log"
    log.touch()
    assert refuse("renderer", StartError("batch: 0 is too few"), log) == 2
    assert log.read_text() == "renderer: batch: 0 is too few"
    assert refuse("learner", RuntimeError("learning has diverged"), log, code=1) == 1
    assert log.read_text() == "learner: learning has diverged"
    assert refuse("renderer", StartError("without a log"), tmp_path / "none") == 2
    assert "without a log" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


def test_help_shows_units_ranges_and_defaults(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        read("--help")
    assert raised.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "--batch VALUE Canvases, number. (≥ 1, ≤ 4096, default: 64)" in text
    assert "Seconds that calls in progress have to end after SIGTERM. (≥ 0, ≤ 600, default: 30.0)" in text
