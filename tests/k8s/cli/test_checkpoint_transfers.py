"""Checkpoints out of the cluster and back: whole or not at all, and never under a service that runs."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from spiral.configuration.files import load_config
from spiral.runs.directory import Run
from tests.k8s.api.server import ApiServer
from tests.k8s.cli.conftest import K8s

WEIGHTS = bytes(range(256)) * 4000


def write_checkpoint(folder: Path, number: int, weights: bytes = WEIGHTS, *settings: str) -> Path:
    """A checkpoint as the services write it, with bytes in place of tensors."""
    path = folder / f"checkpoint-{number:08d}"
    path.mkdir(parents=True)
    files = {"counters.json": b"{}", "config.yaml": load_config("demo", settings).to_yaml().encode()}
    files |= {"policy.safetensors": weights}
    for name, content in files.items():
        (path / name).write_bytes(content)
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    (path / "manifest.json").write_text(json.dumps({"format": 1, "sha256": sums}))
    return path


def remote(server: ApiServer, service: str = "learner") -> Path:
    return server.kubelet.claim(f"state-{service}-0") / "run" / "checkpoints" / service


@pytest.mark.parametrize("channels", [("v5.channel.k8s.io", "v4.channel.k8s.io"), ("v4.channel.k8s.io",)])
def test_pull_then_push_moves_a_run(
    server: ApiServer, k8s: K8s, refused: K8s, tmp_path: Path, channels: tuple[str, ...]
) -> None:
    server.channels = channels
    for service in ("learner", "discriminator"):
        for number in (6, 7):
            write_checkpoint(remote(server, service), number, WEIGHTS + bytes([number]))
    stray = remote(server) / "checkpoint-00000042"
    stray.write_text("no checkpoint")
    here = ("--run", "mine", "--runs", str(tmp_path / "runs"))
    assert "checkpoint-00000007" in k8s("checkpoint", "pull", *here)
    run = Run(tmp_path / "runs" / "mine")
    assert run.config().num_actions == 6
    pulled = run.checkpoints("learner") / "checkpoint-00000007"
    assert (pulled / "policy.safetensors").read_bytes() == WEIGHTS + b"\x07"
    k8s("checkpoint", "pull", *here)
    with run.history_file.open("a") as history:
        history.write('{"frames": 99, "of": "a training here"}\n')
    assert "history.jsonl would be overwritten" in refused("checkpoint", "pull", *here)
    k8s("checkpoint", "pull", *here, "--overwrite")
    stray.unlink()

    server.kubelet.on_stop["learner-0"] = lambda: write_checkpoint(remote(server), 8)
    text = k8s("checkpoint", "push", *here, "--stop")
    assert "learner: checkpoint-00000007 is checkpoint-00000009 in the cluster" in text
    assert "learner: started again" in text
    arrived = remote(server) / "checkpoint-00000009"
    assert {p.name: p.read_bytes() for p in arrived.iterdir()} == {p.name: p.read_bytes() for p in pulled.iterdir()}
    assert [p.name[-1] for p in sorted(remote(server).iterdir())] == ["6", "7", "8", "9"]
    assert server.store.get("statefulsets", "spiral", "learner")["spec"]["replicas"] == 1


def test_push_is_refused_while_the_learner_runs_or_the_run_is_another(
    server: ApiServer, refused: K8s, k8s: K8s, tmp_path: Path
) -> None:
    run = Run(tmp_path / "mine")
    write_checkpoint(run.checkpoints("learner"), 1, WEIGHTS, "policy.width=64")
    run.config_file.write_text(load_config("demo").to_yaml())
    push = ("checkpoint", "push", "--run", "mine", "--runs", str(tmp_path), "--service", "learner")
    assert "policy.width: the checkpoint was made with 64" in refused(*push, "--stop")
    write_checkpoint(run.checkpoints("learner"), 2)
    assert "spiral k8s scale learner=0" in refused(*push)
    assert not remote(server).exists()
    k8s("scale", "learner=0", "--wait", "60")
    assert "is checkpoint-00000001 in the cluster" in k8s(*push)
    assert server.store.get("statefulsets", "spiral", "learner")["spec"]["replicas"] == 0
    (run.checkpoints("learner") / "checkpoint-00000002" / "policy.safetensors").write_bytes(b"torn")
    assert "is damaged: policy.safetensors" in refused(*push)


def test_a_damaged_or_another_checkpoint_leaves_nothing_behind(server: ApiServer, refused: K8s, tmp_path: Path) -> None:
    pull = ("checkpoint", "pull", "--run", "mine", "--runs", str(tmp_path), "--service", "learner")
    assert "has written no checkpoint yet" in refused(*pull)
    damaged = write_checkpoint(remote(server), 1)
    (damaged / "policy.safetensors").write_bytes(WEIGHTS[1:])
    assert "did not arrive as it was written" in refused(*pull, code=1)
    here = Run(tmp_path / "mine").checkpoints("learner")
    assert list(here.iterdir()) == []
    write_checkpoint(here, 2, b"mine")
    write_checkpoint(remote(server), 2)
    assert "is another checkpoint" in refused(*pull, code=1)
    assert (here / "checkpoint-00000002" / "policy.safetensors").read_bytes() == b"mine"
