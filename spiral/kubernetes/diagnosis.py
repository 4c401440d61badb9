"""Examines a cluster and a run in it: what is missing or wrong, each with its fix."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

from kubernetes.aio.client import (
    ApiException,
    AuthorizationV1Api,
    StorageV1Api,
    V1ContainerStateTerminated,
    V1SelfSubjectAccessReview,
)

from spiral.kubernetes.cluster import Cluster
from spiral.kubernetes.cluster_checks import IS_DEFAULT, autoscaling, claims, warnings
from spiral.kubernetes.listing import list_all
from spiral.kubernetes.missing_pods import MissingPods, missing_pods
from spiral.kubernetes.workloads import Part, PodContainer, read_others, read_parts, require_namespace
from spiral.values.finding import Finding

RIGHTS = (
    ("list", "", "pods", ""),
    ("watch", "", "pods", ""),
    ("create", "", "pods", ""),
    ("delete", "", "pods", ""),
    ("get", "", "pods", "log"),
    ("get", "", "pods", "proxy"),
    ("get", "", "pods", "exec"),
    ("create", "", "pods", "exec"),
    ("get", "", "pods", "portforward"),
    ("create", "", "pods", "portforward"),
    ("list", "apps", "deployments", ""),
    ("list", "apps", "statefulsets", ""),
    ("list", "batch", "jobs", ""),
    ("patch", "apps", "deployments", "scale"),
    ("patch", "apps", "statefulsets", "scale"),
)
"""Verb, API group, resource and subresource of every request of `spiral k8s`."""
GPU = "nvidia.com/gpu"
PULL_ERRORS = {"ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName"}


def _now() -> datetime:
    return datetime.now(UTC)


async def examine(cluster: Cluster, clock: Callable[[], datetime] = _now) -> AsyncIterator[Finding]:
    """Examine everything, one finding after the other; ClusterError if the namespace does not exist."""
    await require_namespace(cluster)
    yield Finding("cluster", "good", f'{cluster.server}, namespace "{cluster.namespace}"')
    yield await _rights(cluster)
    yield await _storage(cluster)
    yield await claims(cluster)
    yield await autoscaling(cluster)
    parts = await read_parts(cluster)
    yield await _gpus(cluster, parts)
    try:
        missing = await missing_pods(cluster)
    except ApiException as error:
        missing = []
        yield Finding("workloads", "poor", f"can't be listed ({error.status})", "ask for the right to list them")
    for lacking in missing:
        yield Finding(lacking.name, "bad", str(lacking), _why_refused(cluster, lacking))
    if not parts and not missing:
        yield Finding("pods", "bad", "none", "kubectl apply -k k8s/")
    for container in [*parts, *await read_others(cluster)]:
        yield _pod(container)
    yield await warnings(cluster, clock())


async def _rights(cluster: Cluster) -> Finding:
    api, missing = AuthorizationV1Api(cluster.api), []
    for verb, group, resource, sub in RIGHTS:
        wanted = {"namespace": cluster.namespace, "verb": verb, "group": group, "resource": resource}
        body = {"spec": {"resourceAttributes": wanted | ({"subresource": sub} if sub else {})}}
        asked: Any = V1SelfSubjectAccessReview.from_dict(body)
        review = await api.create_self_subject_access_review(asked)
        if not review.status.allowed:
            missing.append(f"{verb} {resource}{'/' if sub else ''}{sub}")
    if missing:
        return Finding("rights", "bad", f"not allowed: {', '.join(missing)}", "ask for a Role with them, or for edit")
    return Finding("rights", "good", f"all {len(RIGHTS)} that spiral k8s needs")


async def _storage(cluster: Cluster) -> Finding:
    try:
        classes, _ = await list_all(StorageV1Api(cluster.api).list_storage_class)
    except ApiException as error:
        return Finding("storage", "poor", f"classes can't be listed ({error.status})", "ask which class is the default")
    default = [c.metadata.name for c in classes if (c.metadata.annotations or {}).get(IS_DEFAULT) == "true"]
    if default:
        return Finding("storage", "good", f"default class {default[0]}")
    known = ", ".join(c.metadata.name for c in classes) or "none"
    return Finding("storage", "bad", f"no default StorageClass; there are: {known}", "name one in the claim templates")


async def _gpus(cluster: Cluster, parts: list[Part]) -> Finding:
    asking = [p.name for p in parts if p.container.resources and GPU in (p.container.resources.limits or {})]
    try:
        nodes, _ = await list_all(cluster.core.list_node)
    except ApiException as error:
        return Finding("GPU", "poor", f"nodes can't be listed ({error.status})", "ask whether there are GPUs")
    count = sum(int((node.status.allocatable or {}).get(GPU, 0)) for node in nodes)
    if asking and count < len(asking):
        fix = "install the GPU vendor's device plugin, or use overlays/gpu-shared or local"
        return Finding("GPU", "bad", f"{count} in the cluster, {', '.join(asking)} ask for one each", fix)
    return Finding("GPU", "good", f"{count} in the cluster, {len(asking)} asked for")


def _why_refused(cluster: Cluster, lacking: MissingPods) -> str:
    """What helps if the cluster does not create pods."""
    if "exceeded quota" in lacking.why:
        return f"raise the quota (kubectl -n {cluster.namespace} describe quota), or ask for less: overlays/local"
    if "must specify" in lacking.why:
        return "the quota counts limits: add a LimitRange with defaults, or spiral k8s render --cpu-limits"
    return f"kubectl -n {cluster.namespace} describe {lacking.kind} {lacking.name}"


def _pod(part: PodContainer) -> Finding:
    status, name = part.status, part.name
    if part.succeeded:
        return Finding(name, "good", "has ended, with success")
    for condition in part.pod.status.conditions or []:
        if condition.type == "PodScheduled" and condition.status == "False":
            return Finding(name, "bad", f"pending: {condition.message}", "add nodes, or ask for less")
    waiting = status.state.waiting if status and status.state else None
    if waiting is not None and waiting.reason in PULL_ERRORS:
        text = f"{waiting.reason}: {waiting.message or part.container.image}"
        return Finding(name, "bad", text, "check the image's name and tag, and imagePullSecrets")
    last = status.last_state.terminated if status and status.last_state else None
    if last is not None and not part.ready:
        said = " ".join((last.message or last.reason or "").split())
        return Finding(name, "bad", f"{part.state}: ended with {last.exit_code}: {said}", _fix(part, last, said))
    if part.ready:
        return Finding(name, "good", f"{part.state}, {part.restarts} restarts")
    return Finding(name, "poor", part.state, _logs(part))


def _logs(part: PodContainer, previous: bool = False) -> str:
    """The command that shows its log."""
    if isinstance(part, Part):
        return f"spiral k8s logs {'--previous ' if previous else ''}--service {part.service}"
    return f"kubectl -n {part.pod.metadata.namespace} logs {'--previous ' if previous else ''}{part.name}"


def _fix(part: PodContainer, last: V1ContainerStateTerminated, said: str) -> str:
    """The remedy for a container that ended, from its last message."""
    if last.reason == "OOMKilled":
        return "raise its memory limit"
    if isinstance(part, Part) and "learning has diverged" in said:
        return f"lower {part.service}.learning_rate in run.yaml and apply again"
    if isinstance(part, Part) and last.exit_code == 2:
        return "correct run.yaml, or the claim, and apply again"
    return _logs(part, previous=True)
