"""A fake API server with a run in it, and the command line pointed at it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("kubernetes", reason="the extra k8s is not installed: pip install 'spiral-painter[k8s]'")

from spiral.cli.main import main
from tests.k8s.api.objects import apply_run
from tests.k8s.api.server import ApiServer

K8s = Callable[..., str]


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ApiServer]:
    """A cluster with nothing in it, which the kubeconfig names."""
    with ApiServer(tmp_path) as server:
        monkeypatch.setenv("KUBECONFIG", str(server.kubeconfig))
        yield server


@pytest.fixture
def server(bare: ApiServer) -> ApiServer:
    """A cluster in which a run has been applied."""
    apply_run(bare)
    return bare


@pytest.fixture
def k8s(capsys: pytest.CaptureFixture[str]) -> K8s:
    """Run a command that must succeed; what it printed."""

    def run(*argv: str) -> str:
        code = main(["k8s", *argv])
        captured = capsys.readouterr()
        assert code == 0, captured.err
        return captured.out + captured.err

    return run


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> K8s:
    """Run a command that must be refused; the sentence."""

    def run(*argv: str, code: int = 2) -> str:
        assert main(["k8s", *argv]) == code
        captured = capsys.readouterr()
        sentence = captured.err.splitlines()[-1]
        assert sentence.startswith("spiral: ")
        assert "Traceback" not in captured.err
        return sentence

    return run
