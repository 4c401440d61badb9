"""StatefulSets and Deployments make pods; pods are scheduled, start, and end when they are deleted."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from tests.k8s.api.store import now

if TYPE_CHECKING:
    from tests.k8s.api.server import ApiServer


def reconcile(server: ApiServer) -> None:
    """Bring what is nearer to what is wanted, once; called after every change."""
    store = server.store
    with store.lock:
        for resource in ("statefulsets", "deployments"):
            for owner in store.list(resource):
                _replicate(server, resource, owner)
        for pod in store.list("pods"):
            _run(server, pod)
        for resource in ("statefulsets", "deployments"):
            for owner in store.list(resource):
                _report(server, resource, owner)


def _replicate(server: ApiServer, resource: str, owner: dict[str, Any]) -> None:
    store, namespace = server.store, owner["metadata"]["namespace"]
    wanted = owner["spec"].get("replicas", 1)
    mine = _pods_of(server, owner)
    ordinals = {int(pod["metadata"]["name"].rpartition("-")[2]) for pod in mine}
    for pod in mine:
        if int(pod["metadata"]["name"].rpartition("-")[2]) >= wanted and "deletionTimestamp" not in pod["metadata"]:
            with store.change("pods", namespace, pod["metadata"]["name"]) as item:
                item["metadata"]["deletionTimestamp"] = now()
    for ordinal in sorted(set(range(wanted)) - ordinals):
        if why := server.forbidden.get(owner["metadata"]["name"]):
            _refuse(server, resource, owner, f"{owner['metadata']['name']}-{ordinal}", why)
        else:
            store.create("pods", _pod(server, resource, owner, ordinal))


def _refuse(server: ApiServer, resource: str, owner: dict[str, Any], pod: str, why: str) -> None:
    """The event that is left behind where a pod is refused."""
    metadata, name = owner["metadata"], f"{pod}.failed"
    said = f'pods "{pod}" is forbidden: {why}'
    if resource == "statefulsets":
        kind, about = "StatefulSet", metadata["name"]
        said = f"create Pod {pod} in StatefulSet {metadata['name']} failed error: {said}"
    else:
        kind, about = "ReplicaSet", f"{metadata['name']}-6d5f8c7b9"
        said = f"Error creating: {said}"
    if not any(event["metadata"]["name"] == name for event in server.store.list("events", metadata["namespace"])):
        server.store.create(
            "events",
            {
                "metadata": {"name": name, "namespace": metadata["namespace"]},
                "involvedObject": {"kind": kind, "namespace": metadata["namespace"], "name": about},
                "type": "Warning",
                "reason": "FailedCreate",
                "message": said,
                "lastTimestamp": now(),
            },
        )


def _pods_of(server: ApiServer, owner: dict[str, Any]) -> list[dict[str, Any]]:
    uid = owner["metadata"]["uid"]
    return [
        pod
        for pod in server.store.list("pods", owner["metadata"]["namespace"])
        if any(reference["uid"] == uid for reference in pod["metadata"].get("ownerReferences", []))
    ]


def _pod(server: ApiServer, resource: str, owner: dict[str, Any], ordinal: int) -> dict[str, Any]:
    metadata, template = owner["metadata"], copy.deepcopy(owner["spec"]["template"])
    name = f"{metadata['name']}-{ordinal}"
    spec = template["spec"]
    for claim in owner["spec"].get("volumeClaimTemplates", []):
        claim_name = f"{claim['metadata']['name']}-{name}"
        volumes = spec.setdefault("volumes", [])
        volumes.append({"name": claim["metadata"]["name"], "persistentVolumeClaim": {"claimName": claim_name}})
        if not any(c["metadata"]["name"] == claim_name for c in server.store.list("persistentvolumeclaims")):
            server.store.create(
                "persistentvolumeclaims",
                {
                    "metadata": {"name": claim_name, "namespace": metadata["namespace"]},
                    "spec": claim["spec"],
                    "status": {"phase": "Bound"},
                },
            )
    kind = {"statefulsets": "StatefulSet", "deployments": "Deployment"}[resource]
    reference = {"apiVersion": "apps/v1", "kind": kind, "name": metadata["name"], "uid": metadata["uid"]}
    return {
        "metadata": {
            "name": name,
            "namespace": metadata["namespace"],
            "labels": template["metadata"]["labels"],
            "ownerReferences": [reference | {"controller": True}],
        },
        "spec": spec,
        "status": {"phase": "Pending"},
    }


def _run(server: ApiServer, pod: dict[str, Any]) -> None:
    metadata, kubelet = pod["metadata"], server.kubelet
    name, namespace = metadata["name"], metadata["namespace"]
    if "deletionTimestamp" in metadata:
        if name not in kubelet.stuck:
            if (stop := kubelet.on_stop.pop(name, None)) is not None:
                stop()
            kubelet.containers.pop(name, None)
            server.store.remove("pods", namespace, name)
        return
    if pod.get("status", {}).get("phase") not in {None, "Pending"} or "containerStatuses" in pod.get("status", {}):
        return
    with server.store.change("pods", namespace, name) as item:
        if why := kubelet.unschedulable.get(name):
            condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": why}
            item["status"] = {"phase": "Pending", "conditions": [condition]}
            return
        item["spec"].setdefault("nodeName", "node-1")
        item["status"] = {
            "phase": "Running",
            "podIP": "10.1.0.9",
            "startTime": now(),
            "conditions": [{"type": kind, "status": "True"} for kind in ("PodScheduled", "ContainersReady", "Ready")],
            "containerStatuses": [
                {
                    "name": container["name"],
                    "image": container["image"],
                    "imageID": f"registry/{container['image']}@sha256:0",
                    "ready": True,
                    "started": True,
                    "restartCount": 0,
                    "state": {"running": {"startedAt": now()}},
                }
                for container in item["spec"]["containers"]
            ],
        }
    kubelet.container(name)


def _report(server: ApiServer, resource: str, owner: dict[str, Any]) -> None:
    pods = _pods_of(server, owner)
    ready = sum(
        any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", [])) for pod in pods
    )
    with server.store.change(resource, owner["metadata"]["namespace"], owner["metadata"]["name"]) as item:
        item["status"] = {"replicas": len(pods)} | ({"readyReplicas": ready} if ready else {})
        why = server.forbidden.get(owner["metadata"]["name"])
        if why and resource == "deployments" and len(pods) < owner["spec"].get("replicas", 1):
            said = f'pods "{owner["metadata"]["name"]}-6d5f8c7b9-x" is forbidden: {why}'
            failure = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": said}
            item["status"]["conditions"] = [failure]
