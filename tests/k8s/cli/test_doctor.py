"""The doctor names what stands in the way, with its fix."""

from __future__ import annotations

import pytest

from spiral.cli.main import main
from tests.k8s.api.server import ApiServer
from tests.k8s.cli.conftest import K8s


def test_a_sound_run_has_good_findings_only(server: ApiServer, k8s: K8s) -> None:
    assert "✗" not in k8s("doctor")


def test_what_stands_in_the_way_is_named(server: ApiServer, capsys: pytest.CaptureFixture[str]) -> None:
    server.rights.denied.add(("create", "pods/exec"))
    server.store.remove("storageclasses", "", "standard")
    ended = {"exitCode": 2, "reason": "Error", "message": "learner: learner.queue: 0 is too small"}
    with server.store.change("pods", "spiral", "learner-0") as pod:
        status = pod["status"]["containerStatuses"][0]
        status |= {
            "ready": False,
            "state": {"waiting": {"reason": "CrashLoopBackOff"}},
            "lastState": {"terminated": ended},
        }
    with server.store.change("pods", "spiral", "actor-0") as pod:
        status = pod["status"]["containerStatuses"][0]
        status |= {"ready": False, "state": {"waiting": {"reason": "ImagePullBackOff"}}}
    assert main(["k8s", "doctor"]) == 1
    out = capsys.readouterr().out
    assert "not allowed: create pods/exec" in out
    assert "no default StorageClass" in out
    assert "CrashLoopBackOff: ended with 2: learner: learner.queue: 0 is too small; correct run.yaml" in out
    assert "ImagePullBackOff: spiral-actor:0.1.0" in out
