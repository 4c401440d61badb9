"""Without a cluster, without rights, with names that there are not: one sentence and exit code 2."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from spiral.extras import to_install
from tests.k8s.api.server import ApiServer
from tests.k8s.cli.conftest import K8s
from tests.support.processes import free_port


def test_without_the_extra_it_says_what_to_install() -> None:
    program = (
        "import sys; sys.modules['kubernetes'] = None\n"
        "from spiral.cli.main import main; sys.exit(main(['k8s', 'status']))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert to_install("k8s") in done.stderr


def test_without_a_kubeconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: K8s) -> None:
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert "no cluster is known" in refused("status")
    assert "there is no file" in refused("status", "--kubeconfig", str(tmp_path / "none"))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    assert "KUBECONFIG names" in refused("status")


def test_a_kubeconfig_that_is_none(tmp_path: Path, refused: K8s) -> None:
    file = tmp_path / "config"
    for text in ("{", "[]", "{}", "contexts: []\n"):
        file.write_text(text)
        assert "can't be used" in refused("status", "--kubeconfig", str(file))


def test_a_cluster_that_is_not_up(bare: ApiServer, tmp_path: Path, refused: K8s) -> None:
    file = tmp_path / "down"
    file.write_text(bare.kubeconfig.read_text().replace(bare.url, f"http://127.0.0.1:{free_port()}"))
    text = refused("status", "--kubeconfig", str(file))
    assert "can't be reached (context fake): Connection refused" in text


def test_an_unknown_context_and_a_stranger(bare: ApiServer, refused: K8s) -> None:
    assert 'context: "prod" is unknown; known: fake, stranger' in refused("status", "--context", "prod")
    assert "does not know you (401)" in refused("status", "--context", "stranger")


def test_a_namespace_that_is_missing(bare: ApiServer, refused: K8s) -> None:
    for command in (["status"], ["logs"], ["samples"], ["scale", "actors=2"], ["port-forward", "grpc"]):
        assert 'there is no namespace "spiral" in this cluster' in refused(*command)
    assert 'no namespace "other"' in refused("status", "--namespace", "other")


def test_a_workload_that_is_missing(server: ApiServer, refused: K8s) -> None:
    server.store.remove("deployments", "spiral", "actor")
    assert 'there is no deployment "actor" in namespace "spiral"' in refused("scale", "renderers=3", "actors=2")
    assert server.store.get("deployments", "spiral", "renderer")["spec"]["replicas"] == 2


@pytest.mark.parametrize(
    ("verb", "resource", "command"),
    [
        ("list", "pods", ["status"]),
        ("get", "pods/proxy", ["status", "--seconds", "0.1"]),
        ("get", "pods/log", ["logs"]),
        ("patch", "deployments/scale", ["scale", "actors=3"]),
        ("create", "pods/exec", ["samples"]),
    ],
)
def test_without_a_right(server: ApiServer, refused: K8s, verb: str, resource: str, command: list[str]) -> None:
    server.rights.denied.add((verb, resource))
    text = refused(*command)
    assert "not allowed (403)" in text
    assert resource in text
    assert "spiral k8s doctor" in text


@pytest.mark.parametrize(
    ("wishes", "sentence"),
    [
        (["actors"], 'has no "="'),
        (["painters=3"], '"painters" is no service; known: renderers, actors'),
        (["actors=many"], "0 to 1000"),
        (["actors=-1"], "0 to 1000"),
        (["actors=1001"], "0 to 1000"),
        (["learner=2"], "a run has one learner"),
        (["actor=2", "actors=3"], "named twice"),
    ],
)
def test_scale_refuses_what_makes_no_sense(refused: K8s, wishes: list[str], sentence: str) -> None:
    assert sentence in refused("scale", *wishes)


def test_other_words_that_make_no_sense(refused: K8s) -> None:
    assert '"painter" is unknown' in refused("logs", "--service", "painter")
    assert "for example 10m" in refused("logs", "--since", "soon")
    assert "leave out --follow" in refused("logs", "--follow", "--previous")
    assert "the ending of" in refused("samples", "--out", "x.jpg")
    assert "SERVICE:PORT" in refused("port-forward", "everything")
    assert "1 to 65535" in refused("port-forward", "learner:70000")
    assert '"actor" is unknown; known: learner, discriminator' in refused("checkpoint", "pull", "--service", "actor")
    assert 'there is no run "cluster"' in refused("checkpoint", "push", "--run", "cluster", "--runs", "nowhere")
