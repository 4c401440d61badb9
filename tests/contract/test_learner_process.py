"""The learner as a process: nobody takes an address from one that lives."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from spiral.configuration.files import load_config
from spiral.engines import create
from spiral.engines.description import EngineDescription
from spiral.runs.directory import Run
from spiral.services.learner.__main__ import main
from spiral.v1 import info_pb2, info_pb2_grpc
from spiral.wire import rpc
from tests.support.processes import PATIENCE_S, start, until


def options(folder: Path, run: str, listen: str, data: str) -> list[str]:
    """What a learner is told that needs nobody: the engine's description lies there already."""
    directory = Run(folder / run)
    directory.path.mkdir()
    engine = load_config("demo").engine
    description = EngineDescription.of(create(engine.name, engine.settings))
    directory.engine_file.write_text(json.dumps(description.to_json()))
    return [
        f"--listen=unix:{folder}/{listen}",
        f"--learner-data=unix:{folder}/{data}",
        f"--run-dir={directory.path}",
        f"--discriminator=unix:{folder}/nobody",
        "--config=demo",
        "--set=policy.width=16",
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the learner of this module keeps its run and its sockets."""
    return tmp_path_factory.mktemp("learner")


@pytest.fixture(scope="module")
def learner(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A learner that listens at ``grpc`` and ``data``."""
    _, *rest = options(folder, "first", "grpc", "data")
    process = start("learner", f"unix:{folder}/grpc", folder / "first.log", *rest)
    until((folder / "data").exists, "the data socket")
    yield process
    process.kill()
    process.wait()


@pytest.mark.parametrize(("taken", "listen", "data"), [("grpc", "grpc", "other-data"), ("data", "other-grpc", "data")])
def test_a_second_learner_at_either_address_is_refused_and_the_first_lives_on(
    learner: subprocess.Popen[bytes],
    folder: Path,
    taken: str,
    listen: str,
    data: str,
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert main(options(folder, f"{taken}-run", listen, data)) == 2
    said = capfd.readouterr().err
    assert f"\nlearner: {folder}/{taken}: another server is listening on this socket" in f"\n{said}"
    assert "Traceback" not in said
    assert list(folder.glob("other-*")) == []
    assert learner.poll() is None
    with rpc.connect(f"unix:{folder}/grpc") as channel:
        info = info_pb2_grpc.InfoServiceStub(channel).GetInfo(info_pb2.GetInfoRequest(), timeout=PATIENCE_S)
    assert info.service == "learner"


def test_a_run_does_not_go_on_as_another(
    learner: subprocess.Popen[bytes], folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """What its checkpoints are made for stays; a cluster that applies another configuration hears why."""
    learner.terminate()
    assert learner.wait(PATIENCE_S) == 0
    for setting, before, after in (("data", "mnist-sample", "mnist"), ("policy.width", 16, 32)):
        command = [
            f"--run-dir={folder}/first",
            f"--listen=unix:{folder}/grpc",
            f"--learner-data=unix:{folder}/data",
        ]
        rest = [f"--discriminator=unix:{folder}/nobody", "--config=demo", "--set=policy.width=16"]
        assert main([*command, *rest, f"--set={setting}={after}"]) == 2
        sentence = f"{setting}: {after!r} does not fit this run, whose checkpoints were made with {before!r}"
        assert sentence in capfd.readouterr().err
