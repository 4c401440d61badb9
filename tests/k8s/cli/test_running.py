"""A run that is looked at and changed: status, scale, logs, samples, port-forward."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from PIL import Image

from spiral.kubernetes.cluster import Access, connect
from spiral.kubernetes.forwarding import forward, parse_targets
from spiral.kubernetes.logs import Wish, follow_logs
from spiral.serving.metrics import MetricsPage, new_metrics
from spiral.wire.edges import METRICS_PORT, SERVICES
from tests.k8s.api.server import ApiServer
from tests.k8s.cli.conftest import K8s
from tests.support.processes import free_port, start

PNG = "sheet-0000000640.png"


@pytest.fixture
def renderer(server: ApiServer, tmp_path: Path) -> Iterator[ApiServer]:
    """A real renderer behind the pod renderer-0."""
    port = free_port()
    process = start("renderer", f"unix:{tmp_path}/r", tmp_path / "r.log", f"--metrics=127.0.0.1:{port}")
    server.kubelet.container("renderer-0").ports[METRICS_PORT] = port
    yield server
    process.terminate()
    process.wait()


@pytest.fixture
def pages(server: ApiServer) -> Iterator[ApiServer]:
    """The pages of a learner and an actor, with figures on them."""
    learner, actor = new_metrics("learner"), new_metrics("actor")
    learner["spiral_learner_bottleneck"].labels(service="actor").set(1)
    learner["spiral_learner_generation"].set(3)
    for stat, value in (("min", 1), ("mean", 2.5), ("max", 4)):
        learner["spiral_learner_policy_lag"].labels(stat=stat).set(value)
    actor["spiral_actor_weights_generation"].set(3)
    actor["spiral_actor_weights_version"].set(17)
    open_pages = [MetricsPage(metrics, "127.0.0.1:0") for metrics in (learner, actor)]
    for pod, page in zip(("learner-0", "actor-0"), open_pages, strict=True):
        server.kubelet.container(pod).ports[METRICS_PORT] = int(page.address.rpartition(":")[2])
    yield server
    for page in open_pages:
        page.close()


def test_status_reads_a_real_services_page_through_the_proxy(renderer: ApiServer, k8s: K8s) -> None:
    parts = json.loads(k8s("status", "--json", "--seconds", "0.1").splitlines()[0])["parts"]
    found = next(part for part in parts if part["pod"] == "renderer-0")
    assert found["memory_bytes"] > 10 << 20
    assert found["frames_per_s"] == 0
    assert any("/pods/renderer-0:9464/proxy/metrics" in path for _, path in renderer.requests)


@pytest.mark.parametrize("proxies", [True, False], ids=["by-proxy", "by-port-forward-where-pods-are-out-of-reach"])
def test_status_names_bottleneck_lag_weights_and_versions(pages: ApiServer, k8s: K8s, proxies: bool) -> None:
    pages.proxies = proxies
    text = k8s("status", "--seconds", "0.1")
    assert "bottleneck  actor" in text
    assert "policy lag  1 to 4 updates, mean 2.5" in text
    assert "3.17" in text
    assert "renderer-1: metrics can't be read" in text
    status = json.loads(k8s("status", "--json", "--seconds", "0.1").splitlines()[0])
    assert {part["service"] for part in status["parts"]} == set(SERVICES)
    assert status["versions"] == ["0.1.0"]


def test_status_breaks_no_name_and_no_state_in_a_narrow_window(
    server: ApiServer, k8s: K8s, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    name = "renderer-7d9f8b6c5d-x2k4q-of-a-long-name"
    with server.store.change("pods", "spiral", "renderer-1") as pod:
        status = pod["status"]["containerStatuses"][0]
        status |= {"ready": False, "state": {"waiting": {"reason": "CreateContainerConfigError"}}}
        moved = pod | {"metadata": pod["metadata"] | {"name": name, "uid": name}}
    server.store.create("pods", moved)
    (line,) = [line for line in k8s("status", "--seconds", "0.1").splitlines() if name in line]
    assert "CreateContainerConfigError" in line


def test_scale_changes_the_numbers_and_waits(server: ApiServer, k8s: K8s) -> None:
    text = k8s("scale", "actors=3", "renderer=1", "--wait", "60")
    assert "actor: 2 → 3" in text
    assert "renderer: 2 → 1" in text
    assert text.endswith("ready\n")
    names = [pod["metadata"]["name"] for pod in server.store.list("pods")]
    assert names == ["actor-0", "actor-1", "actor-2", "discriminator-0", "learner-0", "renderer-0"]


def test_scale_says_what_is_missing_and_who_else_scales(server: ApiServer, k8s: K8s, refused: K8s) -> None:
    server.kubelet.unschedulable["actor-2"] = "0/1 nodes are available: 1 Insufficient cpu."
    assert "2 of 3 actor pods are ready, 3 are there" in refused("scale", "actors=3", "--wait", "1")
    reference = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "actor"}
    scaler = {
        "metadata": {"name": "actor", "namespace": "spiral"},
        "spec": {"scaleTargetRef": reference, "maxReplicas": 9},
        "status": {"desiredReplicas": 2},
    }
    server.store.create("horizontalpodautoscalers", scaler)
    assert "the autoscaler actor also sets the number of actor pods" in k8s("scale", "actors=4")


def test_logs_are_interleaved_by_time(server: ApiServer, k8s: K8s) -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    for second, pod in enumerate(("learner-0", "actor-1", "learner-0", "renderer-0")):
        server.kubelet.container(pod).say(f"line {second}", at + timedelta(seconds=second))
    lines = [line.split() for line in k8s("logs").splitlines()]
    assert [(line[0], line[2]) for line in lines] == [
        ("learner-0", "0"),
        ("actor-1", "1"),
        ("learner-0", "2"),
        ("renderer-0", "3"),
    ]
    assert k8s("logs", "--service", "learner", "--tail", "1").split() == ["learner-0", "line", "2"]
    assert "not found" in k8s("logs", "--previous", "--service", "learner")
    server.kubelet.container("learner-0").previous = [(at, "its last words")]
    assert "its last words" in k8s("logs", "--previous", "--service", "learner")


def test_logs_follow_containers_that_come_later(server: ApiServer) -> None:
    wish = Wish(SERVICES)
    server.kubelet.container("learner-0").say("first", datetime.now(UTC))

    async def work() -> list[tuple[str, str]]:
        seen = []
        async with asyncio.timeout(60), connect(Access(kubeconfig=server.kubeconfig)) as cluster:
            async for line in follow_logs(cluster, wish):
                seen.append((line.source, line.text))
                if line.text == "first":
                    server.kubelet.container("learner-0").say("second", datetime.now(UTC))
                elif line.text == "second":
                    with server.store.change("deployments", "spiral", "actor") as deployment:
                        deployment["spec"]["replicas"] = 3
                    server.kubelet.container("actor-2").say("new here", datetime.now(UTC))
                else:
                    return seen
        raise AssertionError

    assert asyncio.run(work()) == [("learner-0", "first"), ("learner-0", "second"), ("actor-2", "new here")]


def test_samples_fetch_the_newest_sheet(server: ApiServer, k8s: K8s, refused: K8s, tmp_path: Path) -> None:
    out = tmp_path / "out" / "sheet.png"
    assert "has written no samples yet" in refused("samples", "--out", str(out))
    samples = server.kubelet.claim("state-learner-0") / "run" / "samples"
    samples.mkdir(parents=True)
    file = io.BytesIO()
    Image.effect_noise((400, 400), 50).save(file, "PNG")
    (samples / "sheet-0000000064.png").write_bytes(b"an older one")
    (samples / PNG).write_bytes(file.getvalue())
    (samples / "painting-0000000640.gif").write_bytes(b"GIF89a;")
    assert "after 640 learned frames" in k8s("samples", "--out", str(out))
    assert out.read_bytes() == file.getvalue()
    assert [path.name for path in out.parent.glob("[!.]*")] == ["sheet.png"]
    assert "after 640 learned frames" in k8s("samples", "--out", str(out)), "it is known to be ours"
    k8s("samples", "--out", str(tmp_path / "p.gif"))
    (samples / PNG).write_bytes(file.getvalue()[:-20])
    assert "did not arrive whole" in refused("samples", "--out", str(out), code=1)
    server.cut_exec = True
    assert "ended before the work was done" in refused("samples", "--out", str(out), code=1)


def test_samples_of_a_stopped_learner_come_from_its_claim(server: ApiServer, k8s: K8s, tmp_path: Path) -> None:
    samples = server.kubelet.claim("state-learner-0") / "run" / "samples"
    samples.mkdir(parents=True)
    (samples / "painting-0000000640.gif").write_bytes(b"GIF89a;")
    k8s("scale", "learner=0", "--wait", "60")
    k8s("samples", "--out", str(tmp_path / "p.gif"))
    assert "learner-claim" not in [pod["metadata"]["name"] for pod in server.store.list("pods")]


def test_port_forward_reaches_a_real_page(renderer: ApiServer) -> None:
    # The Service of the manifests; its port is the pod's by name.
    ports = [{"name": "metrics", "port": METRICS_PORT, "targetPort": "metrics"}]
    selector = {"app.kubernetes.io/name": "renderer"}
    service = {"metadata": {"name": "renderer", "namespace": "spiral"}, "spec": {"ports": ports, "selector": selector}}
    renderer.store.create("services", service)
    renderer.kubelet.container("renderer-1").ports |= renderer.kubelet.container("renderer-0").ports
    said: list[str] = []

    async def work() -> bytes:
        async with asyncio.timeout(60), connect(Access(kubeconfig=renderer.kubeconfig)) as cluster:
            ready = asyncio.Event()

            def say(text: str) -> None:
                said.append(text)
                ready.set()

            targets = parse_targets([f"renderer:{METRICS_PORT}"])
            task = asyncio.create_task(forward(cluster, targets, "127.0.0.1", say, said.append))
            await ready.wait()
            port = next(int(text.rpartition(":")[2]) for text in said if " is at " in text)
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /metrics HTTP/1.0\r\n\r\n")
            answer = await reader.read()
            writer.close()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            return answer

    assert b"spiral_renderer_frames_total" in asyncio.run(work())


def test_port_forward_names_what_is_not_there(server: ApiServer, refused: K8s) -> None:
    assert "it comes with the component monitoring" in refused("port-forward", "grafana")
    assert 'there is no service "learner"' in refused("port-forward", "learner:50053")
