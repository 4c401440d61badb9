"""What a run consists of in a cluster: its services' workloads, pods and containers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from kubernetes.aio.client import ApiException, V1Container, V1ContainerStatus, V1Pod, V1PodSpec

from spiral.kubernetes.cluster import Cluster
from spiral.kubernetes.errors import ClusterError, missing_namespace
from spiral.kubernetes.listing import list_all
from spiral.wire.edges import METRICS_PORT, SERVICES, Service

OURS = "app.kubernetes.io/part-of=spiral,app.kubernetes.io/instance=spiral"
"""Label selector of all pods of a run, without those of another instance in the same namespace."""
KINDS: dict[Service, Literal["deployment", "stateful_set"]] = {
    "renderer": "deployment",
    "actor": "deployment",
    "learner": "stateful_set",
    "discriminator": "stateful_set",
}
"""What each service is deployed as: painters come and go, those that learn have a claim and are one."""


@dataclass(frozen=True, slots=True)
class PodContainer:
    """A container in a pod."""

    pod: V1Pod
    container: V1Container

    @property
    def name(self) -> str:
        """Name of the pod."""
        return str(self.pod.metadata.name)

    @property
    def status(self) -> V1ContainerStatus | None:
        """What the kubelet says of the container; None before it has said anything."""
        found = self.pod.status
        statuses = [*(found.container_statuses or []), *(found.init_container_statuses or [])]
        return next((status for status in statuses if status.name == self.container.name), None)

    @property
    def running(self) -> bool:
        """Whether commands can be run in it."""
        status = self.status
        return status is not None and status.state is not None and status.state.running is not None

    @property
    def ready(self) -> bool:
        """Whether it answers."""
        return self.running and bool(self.status and self.status.ready)

    @property
    def succeeded(self) -> bool:
        """Whether its pod has ended, and well: a bounded run's."""
        return bool(self.pod.status.phase == "Succeeded")

    @property
    def leaving(self) -> bool:
        """Whether its pod is on its way out."""
        return self.pod.metadata.deletion_timestamp is not None

    @property
    def state(self) -> str:
        """Its state in a word or two, as people know it from kubectl."""
        status = self.status
        if self.leaving:
            return "Terminating"
        if status is None or status.state is None:
            return str(self.pod.status.phase or "Unknown")
        if status.state.waiting is not None:
            return str(status.state.waiting.reason or "Waiting")
        if status.state.terminated is not None:
            return str(status.state.terminated.reason or "Terminated")
        return "Running" if status.ready else "not ready"

    @property
    def restarts(self) -> int:
        """How often its container was started again."""
        return int(self.status.restart_count) if self.status else 0

    @property
    def version(self) -> str:
        """The image's tag, or its digest's beginning."""
        return image_version(str(self.container.image or ""))

    @property
    def metrics_port(self) -> int:
        """Where its metrics page is."""
        for port in self.container.ports or []:
            if str(port.name).startswith("metrics"):
                return int(port.container_port)
        return METRICS_PORT

    def variable(self, name: str) -> str:
        """A plain variable of the container's environment; empty where there is none."""
        return environment_value(self.container, name)


@dataclass(frozen=True, slots=True)
class Part(PodContainer):
    """One service's container in a pod; ordinary pods have one, a bounded run has all four in one."""

    service: Service


async def read_parts(cluster: Cluster, services: Iterable[Service] = SERVICES) -> list[Part]:
    """All containers of the services, by service and pod; ClusterError if the namespace is not there."""
    pods, _ = await list_all(cluster.core.list_namespaced_pod, cluster.namespace, label_selector=OURS)
    if not pods:
        await require_namespace(cluster)
    found = [part for pod in pods for part in parts_of(pod)]
    return [part for service in services for part in found if part.service == service]


def parts_of(pod: V1Pod) -> Iterator[Part]:
    """The services in a pod: every container is called like its service."""
    for container in [*pod.spec.containers, *(pod.spec.init_containers or [])]:
        service = next((service for service in SERVICES if service == container.name), None)
        if service is not None:
            yield Part(pod, container, service)


async def read_others(cluster: Cluster) -> list[PodContainer]:
    """All containers of the run's pods without a service: Prometheus and Grafana."""
    pods, _ = await list_all(cluster.core.list_namespaced_pod, cluster.namespace, label_selector=OURS)
    return [PodContainer(pod, container) for pod in pods if not [*parts_of(pod)] for container in pod.spec.containers]


async def require_namespace(cluster: Cluster) -> None:
    """ClusterError if the namespace is not there: a list of what is in it would be empty and no error."""
    try:
        await cluster.core.read_namespace(cluster.namespace)
    except ApiException as error:
        # Whoever may not look at namespaces is not told; that there is nothing in it, they are.
        if error.status == 404:
            raise ClusterError(missing_namespace(cluster.namespace)) from error
        if error.status != 403:
            raise


async def read_workload(cluster: Cluster, service: Service) -> Any:
    """The Deployment or StatefulSet of a service; ApiException 404 where it is not there."""
    if KINDS[service] == "deployment":
        return await cluster.apps.read_namespaced_deployment(service, cluster.namespace)
    return await cluster.apps.read_namespaced_stateful_set(service, cluster.namespace)


async def set_replicas(cluster: Cluster, service: Service, replicas: int) -> None:
    """Ask for so many pods, through the scale sub-resource; ApiException 404 where there is no workload."""
    body = {"spec": {"replicas": replicas}}
    apps, where = cluster.apps, cluster.namespace
    merge = "application/merge-patch+json"
    if KINDS[service] == "deployment":
        await apps.patch_namespaced_deployment_scale(service, where, body, _content_type=merge)
    else:
        await apps.patch_namespaced_stateful_set_scale(service, where, body, _content_type=merge)


def one_container(spec: V1PodSpec, service: Service) -> V1Container:
    """The service's container in a pod's description; ClusterError if it has none."""
    for container in spec.containers:
        if container.name == service:
            return container
    names = ", ".join(container.name for container in spec.containers)
    raise ClusterError(f'the {service}\'s pods have no container "{service}", but {names}')


def environment_value(container: V1Container, name: str) -> str:
    """A plain variable of a container's environment; empty where there is none."""
    return next((str(v.value) for v in container.env or [] if v.name == name and v.value), "")


def image_version(image: str) -> str:
    """``0.1.0`` of ``registry:5000/spiral-actor:0.1.0@sha256:…``; ``latest`` where nothing is said."""
    name, _, digest = image.partition("@")
    _, colon, tag = name.rpartition("/")[2].partition(":")
    if colon:
        return tag
    return digest[:19] if digest else "latest"
