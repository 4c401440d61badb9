"""Checks of what the cluster does for a run besides its pods: claims, autoscaling, and recent warnings."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from kubernetes.aio.client import ApiException, ApisApi, AutoscalingV2Api, CoreV1Event, StorageV1Api

from spiral.kubernetes.cluster import Cluster
from spiral.kubernetes.listing import list_all
from spiral.values.finding import Finding

RECENT = timedelta(minutes=15)
"""Older warnings mostly belong to starts and rollouts that are over."""
MOST_WARNINGS = 5
"""Most warnings that are shown; kubectl shows the others."""
IS_DEFAULT = "storageclass.kubernetes.io/is-default-class"
SELECTED_NODE = "volume.kubernetes.io/selected-node"
"""Annotation of a claim whose pod has a node, so that its volume is being made."""
METRICS_GROUP = "metrics.k8s.io"
_NEVER = datetime.min.replace(tzinfo=UTC)


async def claims(cluster: Cluster) -> Finding:
    """Whether every claim has a volume, or waits for its first pod, as its StorageClass wants it."""
    try:
        found, _ = await list_all(cluster.core.list_namespaced_persistent_volume_claim, cluster.namespace)
    except ApiException as error:
        return Finding("claims", "poor", f"can't be listed ({error.status})", "ask for the right to list them")
    if not found:
        return Finding("claims", "good", "none")
    waiting = await _waiting(cluster, [claim for claim in found if claim.status.phase == "Pending"])
    unbound = [
        f"{c.metadata.name} ({c.status.phase})"
        for c in found
        if c.status.phase != "Bound" and c.metadata.name not in waiting
    ]
    if unbound:
        fix = (
            f"kubectl -n {cluster.namespace} describe pvc says why; a StorageClass that there is, room, or a right zone"
        )
        return Finding("claims", "bad", f"without a volume: {', '.join(unbound)}", fix)
    if waiting:
        return Finding("claims", "good", f"{', '.join(waiting)}: the volume is made for its first pod")
    return Finding("claims", "good", f"all {len(found)} have their volumes")


async def _waiting(cluster: Cluster, pending: list[Any]) -> list[str]:
    """Names of the claims whose class waits for a pod before it makes a volume, and that no pod has been given to."""
    if not pending:
        return []
    try:
        classes, _ = await list_all(StorageV1Api(cluster.api).list_storage_class)
    except ApiException:
        return []
    patient = {c.metadata.name for c in classes if c.volume_binding_mode == "WaitForFirstConsumer"}
    default = next((c.metadata.name for c in classes if (c.metadata.annotations or {}).get(IS_DEFAULT) == "true"), "")
    return [
        str(claim.metadata.name)
        for claim in pending
        if (claim.spec.storage_class_name or default) in patient
        and SELECTED_NODE not in (claim.metadata.annotations or {})
    ]


async def autoscaling(cluster: Cluster) -> Finding:
    """Whether autoscalers by CPU use can read it, which needs metrics-server."""
    try:
        groups = await ApisApi(cluster.api).get_api_versions()
        scalers, _ = await list_all(
            AutoscalingV2Api(cluster.api).list_namespaced_horizontal_pod_autoscaler, cluster.namespace
        )
    except ApiException as error:
        return Finding(
            "autoscaling", "poor", f"can't be read ({error.status})", "ask for the right to list autoscalers"
        )
    there = METRICS_GROUP in {group.name for group in groups.groups}
    if not scalers:
        return Finding("autoscaling", "good", f"none; metrics-server is {'there' if there else 'not there'}")
    if not there:
        fix = "install metrics-server, or take the component autoscaling-hpa out"
        return Finding("autoscaling", "bad", f"{len(scalers)} autoscalers, and no metrics-server", fix)
    for scaler in scalers:
        for condition in (scaler.status.conditions or []) if scaler.status else []:
            if (
                condition.type == "ScalingActive"
                and condition.status == "False"
                and condition.reason != "ScalingDisabled"
            ):
                return Finding(
                    "autoscaling",
                    "bad",
                    f"{scaler.metadata.name}: {condition.reason}: {condition.message}",
                    "kubectl top pods has to answer; metrics-server's log says why it does not",
                )
    return Finding("autoscaling", "good", f"{len(scalers)} autoscalers read what pods use")


async def warnings(cluster: Cluster, now: datetime) -> Finding:
    """The cluster's warnings in this namespace within the last quarter of an hour, newest first."""
    try:
        found, _ = await list_all(cluster.core.list_namespaced_event, cluster.namespace, field_selector="type=Warning")
    except ApiException as error:
        return Finding("events", "poor", f"can't be listed ({error.status})", "ask for the right to list them")
    recent = sorted((event for event in found if now - _seen(event) <= RECENT), key=_seen, reverse=True)
    told: dict[tuple[str, str], str] = {}
    for event in recent:
        about = event.involved_object
        text = f"{about.kind}/{about.name} {event.reason}: {' '.join((event.message or '').split())}"
        told.setdefault((f"{about.kind}/{about.name}", str(event.reason)), text)
    if not told:
        return Finding("events", "good", "no warnings in the last quarter of an hour")
    more = f" | and {len(told) - MOST_WARNINGS} more" if len(told) > MOST_WARNINGS else ""
    fix = f"kubectl -n {cluster.namespace} events --types=Warning lists them all"
    return Finding("events", "poor", " | ".join([*told.values()][:MOST_WARNINGS]) + more, fix)


def _seen(event: CoreV1Event) -> datetime:
    """Time of the last occurrence; older and newer forms of events store it in different fields."""
    series = event.series.last_observed_time if event.series else None
    return series or event.last_timestamp or event.event_time or event.metadata.creation_timestamp or _NEVER
