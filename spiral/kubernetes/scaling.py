"""Scales actors and renderers, and stops or starts learner and discriminator."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from kubernetes.aio.client import ApiException, AutoscalingV2Api

from spiral.kubernetes.cluster import Cluster
from spiral.kubernetes.errors import ClusterError
from spiral.kubernetes.listing import list_all, wait_until
from spiral.kubernetes.workloads import KINDS, OURS, parts_of, read_workload, require_namespace, set_replicas
from spiral.wire.edges import SERVICES, Service

MOST = 1000
"""Most pods of a service, more than any cluster was sized for; a typing mistake is refused before it costs money."""


def parse_wishes(wishes: Sequence[str]) -> dict[Service, int]:
    """``["actors=8", "renderer=4"]`` as numbers by service; ValueError with a sentence."""
    wanted: dict[Service, int] = {}
    for wish in wishes:
        name, equals, number = wish.partition("=")
        service = next((service for service in SERVICES if name in {service, f"{service}s"}), None)
        if not equals:
            raise ValueError(f'scale: "{wish}" has no "="; write SERVICE=N, for example actors=8')
        if service is None:
            known = ", ".join(f"{service}s" for service in SERVICES)
            raise ValueError(f'scale: "{name}" is no service; known: {known}')
        if not re.fullmatch(r"[0-9]{1,4}", number) or int(number) > MOST:
            raise ValueError(f'scale: {name}: "{number}" is no number of pods; expected 0 to {MOST}')
        if KINDS[service] == "stateful_set" and int(number) > 1:
            raise ValueError(
                f"scale: {name}: {number} are too many; a run has one {service}, 0 stops it and 1 starts it"
            )
        if service in wanted:
            raise ValueError(f"scale: {service} is named twice; expected once")
        wanted[service] = int(number)
    if not wanted:
        raise ValueError("scale: nothing is asked for; write SERVICE=N, for example actors=8 renderers=4")
    return wanted


async def scale(cluster: Cluster, wanted: Mapping[Service, int]) -> list[tuple[Service, int, int]]:
    """Ask for the numbers: (service, before, now) each. All workloads are there, or none is changed."""
    before: dict[Service, int] = {}
    for service in wanted:
        try:
            found = (await read_workload(cluster, service)).spec.replicas
        except ApiException as error:
            if error.status == 404:
                await require_namespace(cluster)
            raise
        before[service] = 1 if found is None else int(found)
    for service, number in wanted.items():
        await set_replicas(cluster, service, number)
    return [(service, before[service], number) for service, number in wanted.items()]


async def autoscalers(cluster: Cluster, services: Mapping[Service, int]) -> dict[Service, str]:
    """Names of autoscalers that change the number of a service's pods by themselves."""
    try:
        found, _ = await list_all(
            AutoscalingV2Api(cluster.api).list_namespaced_horizontal_pod_autoscaler, cluster.namespace
        )
    except ApiException as error:
        if error.status in {403, 404}:
            return {}
        raise
    targets = {str(item.spec.scale_target_ref.name): str(item.metadata.name) for item in found}
    return {service: targets[service] for service in services if service in targets}


async def wait_ready(cluster: Cluster, wanted: Mapping[Service, int], limit_s: float) -> None:
    """Wait until exactly so many pods of each service are there and ready; ClusterError after ``limit_s``."""
    missing: list[str] = []

    def settled(pods: Mapping[str, Any]) -> bool:
        missing.clear()
        parts = [part for pod in pods.values() for part in parts_of(pod)]
        for service, number in wanted.items():
            mine = [part for part in parts if part.service == service]
            ready = sum(part.ready and not part.leaving for part in mine)
            if ready != number or len(mine) != number:
                missing.append(f"{ready} of {number} {service} pods are ready, {len(mine)} are there")
        return not missing

    call = cluster.core.list_namespaced_pod
    if not await wait_until(settled, limit_s, call, cluster.namespace, label_selector=OURS):
        raise ClusterError(f"after {limit_s:g} s {'; '.join(missing)}; `spiral k8s doctor` says what they wait for")
