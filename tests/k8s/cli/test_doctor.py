"""The doctor names what stands in the way, with its fix."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from spiral.cli.main import main
from tests.k8s.api.server import ApiServer
from tests.k8s.cli.conftest import K8s
from tests.support.processes import until


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


@pytest.mark.parametrize("code", [1, 2])
def test_the_setting_to_change_is_named_where_learning_has_diverged(
    server: ApiServer, capsys: pytest.CaptureFixture[str], code: int
) -> None:
    said = (
        "learner: learning has diverged: the loss is not finite, 3 times in a row; lower learner.learning_rate, which"
    )
    with server.store.change("pods", "spiral", "learner-0") as pod:
        pod["status"]["containerStatuses"][0] |= {
            "ready": False,
            "state": {"waiting": {"reason": "CrashLoopBackOff"}},
            "lastState": {"terminated": {"exitCode": code, "reason": "Error", "message": said}},
        }
    assert main(["k8s", "doctor"]) == 1
    assert "lower learner.learning_rate in run.yaml and apply again" in " ".join(capsys.readouterr().out.split())


def add_scaler(server: ApiServer, **status: object) -> None:
    spec = {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "actor"}, "maxReplicas": 8}
    metadata = {"name": "actor", "namespace": "spiral"}
    server.store.create(
        "horizontalpodautoscalers", {"metadata": metadata, "spec": spec, "status": {"desiredReplicas": 2, **status}}
    )


def add_warning(server: ApiServer, name: str, reason: str, message: str, ago: timedelta) -> None:
    when = (datetime.now(UTC) - ago).strftime("%Y-%m-%dT%H:%M:%SZ")
    event = {
        "metadata": {"name": f"{name}.{reason}.{ago.seconds}", "namespace": "spiral"},
        "involvedObject": {"kind": "Pod", "namespace": "spiral", "name": name},
        "type": "Warning",
        "reason": reason,
        "message": message,
        "lastTimestamp": when,
    }
    server.store.create("events", event)


def test_a_claim_without_a_volume_is_named(server: ApiServer, k8s: K8s, capsys: pytest.CaptureFixture[str]) -> None:
    with server.store.change("persistentvolumeclaims", "spiral", "state-learner-0") as claim:
        claim["status"]["phase"] = "Lost"
    assert main(["k8s", "doctor"]) == 1
    assert "without a volume: state-learner-0 (Lost); kubectl -n spiral describe pvc" in capsys.readouterr().out


def test_a_claim_that_waits_for_its_first_pod_is_no_fault(server: ApiServer, k8s: K8s) -> None:
    server.kubelet.unschedulable["learner-0"] = "0/1 nodes are available: 1 Insufficient cpu."
    with server.store.change("persistentvolumeclaims", "spiral", "state-learner-0") as claim:
        claim["status"]["phase"] = "Pending"
        claim["spec"]["storageClassName"] = "standard"
    assert "state-learner-0: the volume is made for its first pod" in k8s("doctor")


def test_a_volume_that_is_being_made_for_a_pod_and_does_not_come_is_a_fault(
    server: ApiServer, capsys: pytest.CaptureFixture[str]
) -> None:
    with server.store.change("persistentvolumeclaims", "spiral", "state-learner-0") as claim:
        claim["status"]["phase"] = "Pending"
        claim["metadata"]["annotations"] = {"volume.kubernetes.io/selected-node": "node-1"}
    assert main(["k8s", "doctor"]) == 1
    assert "without a volume: state-learner-0 (Pending)" in capsys.readouterr().out


QUOTA = "exceeded quota: small, requested: requests.cpu=1, used: requests.cpu=1500m, limited: requests.cpu=2"


@pytest.mark.parametrize("workload", ["learner", "actor"])
def test_pods_that_were_never_created_are_named_with_the_clusters_words(
    server: ApiServer, capsys: pytest.CaptureFixture[str], workload: str
) -> None:
    server.forbidden[workload] = QUOTA
    server.store.remove("pods", "spiral", f"{workload}-0")
    until(lambda: server.store.list("events", "spiral"), "the refusal")
    assert main(["k8s", "doctor"]) == 1
    out = " ".join(capsys.readouterr().out.split())
    assert out.count("✗") == 1, "the claim is not to blame"
    wanted = {"learner": 1, "actor": 2}[workload]
    assert f"{wanted - 1} of {wanted} pods created" in out
    assert QUOTA in out
    assert "raise the quota (kubectl -n spiral describe quota)" in out
    assert main(["k8s", "status", "--seconds", "0.1"]) == 0
    assert QUOTA in capsys.readouterr().err


def test_a_quota_that_counts_limits_gets_its_own_advice(server: ApiServer, capsys: pytest.CaptureFixture[str]) -> None:
    server.forbidden["learner"] = "failed quota: limits: must specify limits.cpu for: learner"
    server.store.remove("pods", "spiral", "learner-0")
    until(lambda: server.store.list("events", "spiral"), "the refusal")
    assert main(["k8s", "doctor"]) == 1
    assert "a LimitRange with defaults, or spiral k8s render --cpu-limits" in " ".join(capsys.readouterr().out.split())


def add_pod(server: ApiServer, name: str, container: str, **status: object) -> None:
    """A pod of the run that no workload has made."""
    labels = {"app.kubernetes.io/part-of": "spiral", "app.kubernetes.io/instance": "spiral"}
    spec = {"containers": [{"name": container, "image": f"{container}:1"}]}
    metadata = {"name": name, "namespace": "spiral", "labels": labels}
    server.store.create("pods", {"metadata": metadata, "spec": spec, "status": status})


def test_pods_of_the_monitoring_are_looked_at(server: ApiServer, capsys: pytest.CaptureFixture[str]) -> None:
    waiting = {"waiting": {"reason": "ErrImagePull", "message": "no such image"}}
    states = [{"name": "grafana", "ready": False, "restartCount": 0, "image": "g", "imageID": "", "state": waiting}]
    add_pod(server, "grafana-0", "grafana", phase="Pending", containerStatuses=states)
    assert main(["k8s", "doctor"]) == 1
    assert "ErrImagePull: no such image" in " ".join(capsys.readouterr().out.split())


def test_a_bounded_run_that_has_ended_is_nothing_to_warn_of(server: ApiServer, k8s: K8s) -> None:
    ended = {"terminated": {"exitCode": 0, "reason": "Completed"}}
    states = [{"name": "learner", "ready": False, "restartCount": 0, "image": "l", "imageID": "", "state": ended}]
    add_pod(server, "batch-x", "learner", phase="Succeeded", containerStatuses=states)
    (line,) = [line for line in k8s("doctor").splitlines() if "batch-x" in line]
    assert "has ended, with success" in line
    assert line.startswith("✓")


def test_autoscalers_need_a_metrics_server(server: ApiServer, k8s: K8s, capsys: pytest.CaptureFixture[str]) -> None:
    server.metrics_server = False
    assert "metrics-server is not there" in k8s("doctor"), "nobody needs one"
    add_scaler(server)
    assert main(["k8s", "doctor"]) == 1
    assert "1 autoscalers, and no metrics-server; install metrics-server" in capsys.readouterr().out
    server.metrics_server = True
    assert "1 autoscalers read what pods use" in k8s("doctor")


def test_an_autoscaler_that_reads_nothing_says_why(server: ApiServer, capsys: pytest.CaptureFixture[str]) -> None:
    message = "the HPA was unable to compute the replica count: no metrics returned"
    condition = {"type": "ScalingActive", "status": "False", "reason": "FailedGetResourceMetric", "message": message}
    add_scaler(server, conditions=[condition])
    assert main(["k8s", "doctor"]) == 1
    assert f"actor: FailedGetResourceMetric: {message}" in capsys.readouterr().out


def test_recent_warnings_are_told_once_each_and_old_ones_not(server: ApiServer, k8s: K8s) -> None:
    add_warning(server, "learner-0", "Unhealthy", "Liveness probe failed", timedelta(minutes=2))
    add_warning(server, "learner-0", "Unhealthy", "Liveness probe failed before", timedelta(minutes=5))
    add_warning(server, "actor-0", "FailedMount", "no such volume", timedelta(hours=2))
    out = k8s("doctor")
    assert "Pod/learner-0 Unhealthy: Liveness probe failed; kubectl -n spiral events" in out
    assert "FailedMount" not in out
    for index in range(8):
        add_warning(server, f"actor-{index}", "BackOff", "restarting", timedelta(minutes=1))
    assert "and 4 more" in k8s("doctor")


def test_what_may_not_be_listed_is_said_and_the_rest_goes_on(server: ApiServer, k8s: K8s) -> None:
    for resource in ("persistentvolumeclaims", "horizontalpodautoscalers", "events"):
        server.rights.denied.add(("list", resource))
    out = k8s("doctor")
    assert out.count("(403)") == 3
    assert "learner-0" in out
