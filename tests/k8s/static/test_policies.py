"""The network policies say what the table of edges says, and nothing else."""

from __future__ import annotations

import itertools
import subprocess
import sys

import pytest

from spiral.wire.edges import DATA_PORT, EDGES, HEALTH_PORT, METRICS_PORT, PORTS, SERVICES
from tests.k8s.static.combinations import ALL, K8S, ROOT, Object
from tests.k8s.static.conftest import Rendered
from tests.k8s.static.connections import Labels, allowed
from tests.k8s.static.objects import pods

FOLDER = K8S / "components" / "network-policies"
WITH_POLICIES = [name for name in ALL if "network-policies" in name or name == "production"]
STRANGER = {"app.kubernetes.io/name": "stranger"}


def test_the_policies_are_generated_from_the_table() -> None:
    made = subprocess.run(
        [sys.executable, FOLDER / "generate.py"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert (FOLDER / "edges.yaml").read_text() == made.stdout, "make golden renews it"


@pytest.mark.parametrize("combination", WITH_POLICIES)
def test_services_reach_each_other_on_the_edges_and_nowhere_else(rendered: Rendered, combination: str) -> None:
    objects = rendered(combination)
    labels = labels_of(objects)
    ports = [*PORTS.values(), DATA_PORT, HEALTH_PORT, METRICS_PORT]
    open_ = {
        (client, server, port)
        for client, server, port in itertools.product(SERVICES, SERVICES, ports)
        if allowed(objects, labels[client], labels[server], port)
    }
    assert open_ == {(edge.client, edge.server, edge.port) for edge in EDGES}


@pytest.mark.parametrize("combination", WITH_POLICIES)
def test_strangers_in_the_namespace_get_the_metrics_page_only_if_they_may_speak(
    rendered: Rendered, combination: str
) -> None:
    objects = rendered(combination)
    labels = labels_of(objects)
    prometheus = {"app.kubernetes.io/name": "prometheus", "app.kubernetes.io/instance": "spiral"}
    grafana = {"app.kubernetes.io/name": "grafana", "app.kubernetes.io/instance": "spiral"}
    for service in SERVICES:
        assert allowed(objects, prometheus, labels[service], METRICS_PORT)
        assert not allowed(objects, prometheus, labels[service], PORTS[service])
        assert not allowed(objects, STRANGER, labels[service], METRICS_PORT)
        assert not allowed(objects, labels[service], STRANGER, 443)
        for protocol in ("UDP", "TCP"):
            outside = [item for item in objects if item["metadata"]["name"] != "deny"]
            assert allowed(outside, labels[service], {"k8s-app": "kube-dns"}, 53, protocol)
    assert allowed(objects, grafana, prometheus, 9090)
    assert not allowed(objects, STRANGER, prometheus, 9090)


def test_without_the_component_everything_is_open(rendered: Rendered) -> None:
    objects = rendered("root")
    labels = labels_of(objects)
    assert allowed(objects, labels["renderer"], labels["learner"], 1)


def labels_of(objects: list[Object]) -> dict[str, Labels]:
    """The labels of each workload's pods, by its name."""
    return {pod.owner["metadata"]["name"]: pod.labels for pod in pods(objects)}
