"""The learner as a process: nobody takes an address from one that lives."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from spiral.config_files import load_config
from spiral.engines import create
from spiral.engines.description import EngineDescription
from spiral.runs import Run
from spiral.v1 import info_pb2, info_pb2_grpc
from spiral.wire import rpc
from tests.processes import PATIENCE_S, launch, start, until


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


@pytest.fixture
def learner(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A learner that listens at ``grpc`` and ``data``."""
    _, *rest = options(tmp_path, "first", "grpc", "data")
    process = start("learner", f"unix:{tmp_path}/grpc", tmp_path / "first.log", *rest)
    until((tmp_path / "data").exists, "the data socket")
    yield process
    process.kill()
    process.wait()


def test_a_second_learner_at_either_address_is_refused_and_the_first_lives_on(
    learner: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    second = {
        taken: launch("learner", *options(tmp_path, taken + "-run", listen, data), log=tmp_path / f"{taken}.log")
        for taken, listen, data in (("grpc", "grpc", "other-data"), ("data", "other-grpc", "data"))
    }
    for taken, process in second.items():
        assert process.wait(PATIENCE_S) == 2
        said = (tmp_path / f"{taken}.log").read_text()
        assert f"\nlearner: {tmp_path}/{taken}: another server is listening on this socket" in f"\n{said}"
        assert "Traceback" not in said
    assert list(tmp_path.glob("other-*")) == []
    with rpc.connect(f"unix:{tmp_path}/grpc") as channel:
        info = info_pb2_grpc.InfoServiceStub(channel).GetInfo(info_pb2.GetInfoRequest(), timeout=PATIENCE_S)
    assert info.service == "learner"
    learner.terminate()
    assert learner.wait(PATIENCE_S) == 0


def test_a_run_does_not_go_on_as_another(learner: subprocess.Popen[bytes], tmp_path: Path) -> None:
    """What its checkpoints are made for stays; a cluster that applies another configuration hears why."""
    learner.terminate()
    assert learner.wait(PATIENCE_S) == 0
    for setting, before, after in (("data", "mnist-sample", "mnist"), ("policy.width", 16, 32)):
        log = tmp_path / f"{setting}.log"
        command = [
            f"--run-dir={tmp_path}/first",
            f"--listen=unix:{tmp_path}/grpc",
            f"--learner-data=unix:{tmp_path}/data",
        ]
        rest = [f"--discriminator=unix:{tmp_path}/nobody", "--config=demo", "--set=policy.width=16"]
        process = launch("learner", *command, *rest, f"--set={setting}={after}", log=log)
        assert process.wait(PATIENCE_S) == 2
        sentence = f"{setting}: {after!r} does not fit this run, whose checkpoints were made with {before!r}"
        assert sentence in log.read_text()
