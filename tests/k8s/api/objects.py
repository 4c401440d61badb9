"""What `kubectl apply -k k8s/` puts into a cluster, read from the manifests themselves."""

from __future__ import annotations

import copy
import functools
from pathlib import Path
from typing import Any

import yaml

from tests.k8s.api.server import ApiServer
from tests.support.processes import until

BASE = Path(__file__).parents[3] / "k8s" / "base"
NAMESPACE = "spiral"
VERSION = "0.1.0"
RUN = "run-6f2k9h7c5d"


def apply_run(server: ApiServer) -> None:
    """Namespace, configuration, workloads and a node; returns when all pods run."""
    store = server.store
    store.create("namespaces", {"metadata": {"name": NAMESPACE}, "status": {"phase": "Active"}})
    add_node(server, "node-1")
    store.create(
        "storageclasses",
        {
            "metadata": {
                "name": "standard",
                "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
            },
            "provisioner": "rancher.io/local-path",
            "volumeBindingMode": "WaitForFirstConsumer",
        },
    )
    run = (BASE / "config" / "run.yaml").read_text()
    store.create("configmaps", {"metadata": {"name": RUN, "namespace": NAMESPACE}, "data": {"run.yaml": run}})
    for item in _workloads():
        store.create(f"{item['kind'].lower()}s", _as_applied(copy.deepcopy(item)))
    until(lambda: len(running(server)) == 6, "the pods of a run to be there")


@functools.cache
def _workloads() -> list[dict[str, Any]]:
    """Deployments and StatefulSets of the base; read once, as YAML takes its time."""
    items = (item for path in sorted(BASE.glob("*.yaml")) for item in yaml.safe_load_all(path.read_text()))
    return [item for item in items if item["kind"] in {"Deployment", "StatefulSet"}]


def running(server: ApiServer) -> list[str]:
    """Names of the pods that run."""
    return [
        pod["metadata"]["name"]
        for pod in server.store.list("pods", NAMESPACE)
        if pod.get("status", {}).get("phase") == "Running"
    ]


def add_node(server: ApiServer, name: str, gpus: int = 0) -> None:
    """A node with four cores."""
    amounts = {"cpu": "4", "memory": "16Gi", "pods": "110"} | ({"nvidia.com/gpu": str(gpus)} if gpus else {})
    server.store.create(
        "nodes",
        {
            "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
            "spec": {},
            "status": {
                "allocatable": amounts,
                "capacity": amounts,
                "conditions": [{"type": "Ready", "status": "True"}],
            },
        },
    )


def _as_applied(item: dict[str, Any]) -> dict[str, Any]:
    """With the namespace, the version and the hashed ConfigMap, as kustomize would write it."""
    item["metadata"]["namespace"] = NAMESPACE
    item["metadata"]["labels"]["app.kubernetes.io/part-of"] = "spiral"
    template = item["spec"]["template"]
    template["metadata"]["labels"]["app.kubernetes.io/version"] = VERSION
    for container in template["spec"]["containers"]:
        container["image"] = f"{container['image']}:{VERSION}"
    for volume in template["spec"].get("volumes", []):
        if "configMap" in volume:
            volume["configMap"]["name"] = RUN
    return item
