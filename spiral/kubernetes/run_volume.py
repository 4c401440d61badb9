"""Access to a service's run directory: through its own pod, or through a temporary one on the same claim.

A claim is a disk that only pods can open. While the service runs, its own pod gives access. While it doesn't, an idle
pod is started on the claim for as long as it is needed. Its fixed name prevents a second one, and a deadline ends it if
nobody is left to delete it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from kubernetes.aio.client import ApiException, BatchV1Api, V1Pod, V1PodSpec

from spiral.kubernetes.cluster import Cluster
from spiral.kubernetes.errors import ClusterError, TransferError
from spiral.kubernetes.listing import list_all, wait_until
from spiral.kubernetes.workloads import Part, environment_value, one_container, read_parts, read_workload
from spiral.wire.edges import Service

START_S = 180.0
"""Longest start of a pod: on the large clouds a disk takes a minute or two to follow a pod to another node."""
LIFE_S = 3600
"""Longest life of a temporary pod; it is enough for a checkpoint of a GiB over a slow line many times over."""
KEPT = (
    "nodeSelector",
    "tolerations",
    "affinity",
    "imagePullSecrets",
    "securityContext",
    "serviceAccountName",
    "runtimeClassName",
)
"""Fields that a temporary pod copies from the service's pods, so that it is admitted where they are."""


@dataclass(frozen=True, slots=True)
class RunVolume:
    """A container that sees the run directory."""

    pod: str
    container: str
    run_dir: str
    """Path in the container."""


@asynccontextmanager
async def open_run_volume(cluster: Cluster, service: Service) -> AsyncIterator[RunVolume]:
    """Access to a service's run directory within the block."""
    parts = await read_parts(cluster, [service])
    running = next((part for part in parts if part.running and not part.leaving), None)
    if running is not None:
        yield RunVolume(running.name, service, _run_dir(one_container_of(running), service))
        return
    async with open_claim(cluster, service, parts) as volume:
        yield volume


@asynccontextmanager
async def open_claim(cluster: Cluster, service: Service, parts: list[Part]) -> AsyncIterator[RunVolume]:
    """A temporary pod on the service's claim; ``parts`` are its own pods that hold the claim to a node."""
    spec, claims = await _pod_spec(cluster, service)
    container = one_container(spec, service)
    pod: Any = _temporary_pod(cluster, service, spec, claims, node=_node(parts))
    name = pod["metadata"]["name"]
    try:
        await cluster.core.create_namespaced_pod(cluster.namespace, pod)
    except ApiException as error:
        if error.status != 409:
            raise
        raise ClusterError(
            f"pod {name} is there already: another transfer is under way, or one was cut off; it ends by itself within "
            f"{LIFE_S // 60} minutes, `kubectl delete pod -n {cluster.namespace} {name}` ends it now"
        ) from error
    try:
        await _until_running(cluster, name)
        yield RunVolume(name, service, _run_dir(container, service))
    finally:
        await _delete(cluster, name)


def one_container_of(part: Part) -> Any:
    """The container's description in the pod that runs."""
    return part.container


async def _pod_spec(cluster: Cluster, service: Service) -> tuple[V1PodSpec, dict[str, str]]:
    """The spec of the service's pods, and its claims by volume, from its StatefulSet or a bounded run's Job."""
    try:
        workload = await read_workload(cluster, service)
    except ApiException as error:
        if error.status != 404:
            raise
        jobs, _ = await list_all(BatchV1Api(cluster.api).list_namespaced_job, cluster.namespace)
        specs = [job.spec.template.spec for job in jobs]
        spec = next((s for s in specs if service in [c.name for c in s.containers]), None)
        if spec is None:
            raise
        return spec, {v.name: v.persistent_volume_claim.claim_name for v in spec.volumes if v.persistent_volume_claim}
    claims = {
        claim.metadata.name: f"{claim.metadata.name}-{service}-0"
        for claim in workload.spec.volume_claim_templates or []
    }
    return workload.spec.template.spec, claims


def _temporary_pod(
    cluster: Cluster, service: Service, spec: V1PodSpec, claims: dict[str, str], node: str
) -> dict[str, Any]:
    name = f"{service}-claim"
    container = one_container(spec, service)
    mounts = [mount for mount in container.volume_mounts or [] if mount.name in claims]
    if not mounts:
        raise ClusterError(f"the {service} keeps nothing on a claim, so there is nothing to fetch or to put back")
    plain: dict[str, Any] = cluster.api.sanitize_for_serialization(spec)
    kept = {key: plain[key] for key in KEPT if key in plain}
    if node:
        # A disk that can only be on one node at a time is on the node of the service's own pod.
        kept["affinity"] = {
            "nodeAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": {
                    "nodeSelectorTerms": [
                        {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}
                    ]
                }
            }
        }
    described: dict[str, Any] = cluster.api.sanitize_for_serialization(container)
    return {
        "metadata": {
            "name": name,
            "labels": {"app.kubernetes.io/name": name, "app.kubernetes.io/instance": "spiral"},
        },
        "spec": kept
        | {
            "restartPolicy": "Never",
            "activeDeadlineSeconds": LIFE_S,
            # It has nothing to finish, and sleep does not hear SIGTERM as the first process.
            "terminationGracePeriodSeconds": 1,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "volumes": [{"name": v, "persistentVolumeClaim": {"claimName": c}} for v, c in claims.items()],
            "containers": [
                {
                    "name": service,
                    "image": container.image,
                    "imagePullPolicy": container.image_pull_policy or "IfNotPresent",
                    "command": ["sleep", str(LIFE_S)],
                    "securityContext": described.get("securityContext", {}),
                    "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}},
                    "volumeMounts": cluster.api.sanitize_for_serialization(mounts),
                }
            ],
        },
    }


async def _until_running(cluster: Cluster, name: str) -> None:
    seen: list[V1Pod] = []

    def settled(pods: dict[str, Any]) -> bool:
        seen[:] = [pods[name]] if name in pods else []
        return not seen or seen[0].status.phase not in {None, "Pending"}

    call = cluster.core.list_namespaced_pod
    done = await wait_until(settled, START_S, call, cluster.namespace, field_selector=f"metadata.name={name}")
    phase = seen[0].status.phase if seen else "gone"
    if not done or phase != "Running":
        conditions = (seen[0].status.conditions or []) if seen else []
        why = next((c.message for c in conditions if c.status == "False" and c.message), f"its phase is {phase}")
        raise ClusterError(f"pod {name}, which was to open the claim, does not start: {why}")


async def _delete(cluster: Cluster, name: str) -> None:
    """Delete the temporary pod and wait until the claim is free again."""
    try:
        await cluster.core.delete_namespaced_pod(name, cluster.namespace)
    except ApiException as error:
        if error.status != 404:
            raise
    call = cluster.core.list_namespaced_pod
    where = {"field_selector": f"metadata.name={name}"}
    if not await wait_until(lambda pods: name not in pods, START_S, call, cluster.namespace, **where):
        raise TransferError(f"pod {name} was deleted and does not go; the claim is not free before it has")


def _node(parts: list[Part]) -> str:
    return next((str(part.pod.spec.node_name) for part in parts if part.pod.spec.node_name), "")


def _run_dir(container: Any, service: Service) -> str:
    found = environment_value(container, "SPIRAL_RUN_DIR")
    if not found:
        raise ClusterError(f"the {service}'s pods don't say where its run directory is: SPIRAL_RUN_DIR is not set")
    return found
