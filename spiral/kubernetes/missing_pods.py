"""Pods that a workload wants and that were never created: what the cluster refused, for example over a quota."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from kubernetes.aio.client import BatchV1Api

from spiral.kubernetes.cluster import Cluster
from spiral.kubernetes.listing import list_all
from spiral.kubernetes.workloads import OURS


@dataclass(frozen=True, slots=True)
class MissingPods:
    """A workload that has fewer pods than it wants."""

    kind: str
    name: str
    wanted: int
    made: int
    why: str
    """The cluster's own words; empty: it has not said."""

    def __str__(self) -> str:
        return f"{self.made} of {self.wanted} pods created{': ' if self.why else ''}{self.why}"


async def missing_pods(cluster: Cluster) -> list[MissingPods]:
    """All workloads of the run that lack pods; ApiException if workloads may not be listed."""
    apps, where = cluster.apps, (cluster.namespace,)
    found: list[tuple[str, Any, int, int]] = []
    for kind, call in (
        ("deployment", apps.list_namespaced_deployment),
        ("statefulset", apps.list_namespaced_stateful_set),
    ):
        for item in (await list_all(call, *where, label_selector=OURS))[0]:
            wanted = 1 if item.spec.replicas is None else int(item.spec.replicas)
            found.append((kind, item, wanted, int(item.status.replicas or 0) if item.status else 0))
    for item in (await list_all(BatchV1Api(cluster.api).list_namespaced_job, *where, label_selector=OURS))[0]:
        state, wanted = item.status, 0 if item.spec.suspend else int(item.spec.parallelism or 1)
        # As long as it counts pods that were there, its own back-off decides about others.
        ended = bool(state.succeeded or state.failed)
        found.append(("job", item, 0 if ended else wanted, int(state.active or 0)))
    lacking = [(kind, item, wanted, made) for kind, item, wanted, made in found if made < wanted]
    if not lacking:
        return []
    events, _ = await list_all(cluster.core.list_namespaced_event, *where, field_selector="type=Warning")
    return [
        MissingPods(kind, item.metadata.name, wanted, made, _why(kind, item, events))
        for kind, item, wanted, made in lacking
    ]


def _why(kind: str, item: Any, events: Iterable[Any]) -> str:
    """What the cluster says of the pods that it did not create: as a condition of a Deployment, else as an event."""
    for condition in (item.status.conditions or []) if kind == "deployment" and item.status else []:
        if condition.type == "ReplicaFailure" and condition.status == "True":
            return " ".join(str(condition.message).split())
    said = [
        event
        for event in events
        if event.reason == "FailedCreate"
        and event.involved_object.kind.lower() == kind
        and event.involved_object.name == item.metadata.name
    ]
    said.sort(key=lambda event: str(event.last_timestamp or event.event_time or event.metadata.creation_timestamp))
    return " ".join(str(said[-1].message).split()) if said else ""
