"""Who stands behind a name: Services, and the pods of headless ones by their own names."""

from __future__ import annotations

from collections.abc import Sequence

from cluster.manifests import Object, Objects, matches
from cluster.nameserver import DOMAIN
from cluster.pod import Pod


class PortError(ValueError):
    """A Service maps a port to another one, for which this cluster would need a proxy."""


def addresses(name: str, objects: Objects, pods: Sequence[Pod]) -> list[str] | None:
    """The addresses of ``service.namespace.svc.cluster.local``, or of ``pod.service…``; None: no such name.

    A Service with an address of its own has those of its pods here: there is no proxy.
    """
    suffix = f".svc.{DOMAIN}"
    if not name.endswith(suffix):
        return None
    parts = name.removesuffix(suffix).split(".")
    if len(parts) not in {2, 3}:
        return None
    pod_name, service_name, namespace = ["", *parts][-3:]
    for service in objects.of_kind("Service", namespace):
        if service["metadata"]["name"] == service_name:
            behind = endpoints(service, pods)
            if not pod_name:
                return [pod.address for pod in behind]
            return [pod.address for pod in behind if pod.template.spec.get("hostname") == pod_name] or None
    return None


def endpoints(service: Object, pods: Sequence[Pod]) -> list[Pod]:
    """The pods that a Service sends its callers to: ready ones, or all with ``publishNotReadyAddresses``."""
    spec, namespace = service["spec"], service["metadata"].get("namespace", "default")
    check_ports(service)
    everyone = spec.get("publishNotReadyAddresses", False)
    return [
        pod
        for pod in pods
        if pod.namespace == namespace
        and pod.address
        and not pod.finished
        and matches(pod.template.labels, spec.get("selector") or {})
        and (everyone or (pod.ready and not pod.deleted))
    ]


def check_ports(service: Object) -> None:
    """PortError if a port of a Service leads to another number."""
    if service["spec"].get("clusterIP") == "None":
        return
    for port in service["spec"].get("ports", []):
        target = port.get("targetPort", port["port"])
        if isinstance(target, int) and target != port["port"]:
            raise PortError(
                f"service {service['metadata']['name']} leads from port {port['port']} to {target}; "
                "here a Service's port has to be its pods' own"
            )
