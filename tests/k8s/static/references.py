"""Whether everything that an object names is there: selectors, ports, volumes, ConfigMaps, Secrets, accounts and
claims."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tests.k8s.static.combinations import Object
from tests.k8s.static.objects import Pod, name, of_kind, pods, selects

SECRETS = {
    **{
        f"{service}-tls": {"ca.crt", "tls.crt", "tls.key"}
        for service in ("renderer", "actor", "learner", "discriminator")
    },
    "actor-curve": {"curve.key_secret", "learner.key"},
    "learner-curve": {"curve.key_secret", "actor.key"},
}
"""Secrets that nobody commits, and their keys: a person makes them as the README of mtls says."""


def dangling(objects: list[Object]) -> Iterator[str]:
    """Every reference that leads nowhere, as a sentence."""
    for pod in pods(objects):
        yield from _of_pod(pod, objects)
    for service in of_kind(objects, "Service"):
        yield from _of_service(service, objects)
    for item in objects:
        selector = item.get("spec", {}).get("selector")
        if item["kind"] in {"Deployment", "StatefulSet", "DaemonSet"}:
            own = item["spec"]["template"]["metadata"]["labels"]
            if not selects(selector, own):
                yield f"{name(item)}: its selector does not choose its own pods"
        if item["kind"] == "PodDisruptionBudget" and not any(selects(selector, pod.labels) for pod in pods(objects)):
            yield f"{name(item)}: its selector chooses no pod"
        if item["kind"] == "StatefulSet" and not _there(objects, "Service", item["spec"]["serviceName"]):
            yield f"{name(item)}: there is no Service {item['spec']['serviceName']}"
        target = item.get("spec", {}).get("scaleTargetRef")
        if target and not _there(objects, target.get("kind", "Deployment"), target["name"]):
            yield f"{name(item)}: there is no {target['name']} to scale"
        if "roleRef" in item and not _there(objects, item["roleRef"]["kind"], item["roleRef"]["name"]):
            yield f"{name(item)}: there is no {item['roleRef']['kind']} {item['roleRef']['name']}"


def ambiguous(objects: list[Object]) -> Iterator[str]:
    """Pods that two workloads would both take for their own, and names given twice."""
    owners = [item for item in objects if item["kind"] in {"Deployment", "StatefulSet"}]
    for pod in pods(objects):
        chosen = [name(owner) for owner in owners if selects(owner["spec"]["selector"], pod.labels)]
        if len(chosen) > 1:
            yield f"{pod.name}: its pods are chosen by {' and '.join(chosen)}"
    seen = set()
    for item in objects:
        if name(item) in seen:
            yield f"{name(item)} is there twice"
        seen.add(name(item))


def _of_pod(pod: Pod, objects: list[Object]) -> Iterator[str]:
    account = pod.spec.get("serviceAccountName", "default")
    if account != "default" and not _there(objects, "ServiceAccount", account):
        yield f"{pod.name}: there is no ServiceAccount {account}"
    volumes = {volume["name"] for volume in pod.spec.get("volumes", [])} | pod.claims
    for volume in pod.spec.get("volumes", []):
        yield from (f"{pod.name}: volume {volume['name']}: {wrong}" for wrong in _of_volume(volume, objects))
    ports: list[str] = []
    for container in pod.containers:
        called = f"{pod.name}, {container['name']}"
        ports += [port["name"] for port in container.get("ports", [])]
        for mount in container.get("volumeMounts", []):
            if mount["name"] not in volumes:
                yield f"{called}: there is no volume {mount['name']}"
        numbers = {port["containerPort"] for port in container.get("ports", [])}
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            asked = container.get(probe, {})
            port = (asked.get("grpc") or asked.get("httpGet") or asked.get("tcpSocket") or {}).get("port")
            if port is not None and port not in numbers | set(ports):
                yield f"{called}: {probe} asks port {port}, which it has not"
        for variable in container.get("env", []):
            yield from (
                f"{called}: {variable['name']}: {wrong}" for wrong in _of_variable(variable, container, objects)
            )
    for port in {port for port in ports if ports.count(port) > 1}:
        yield f"{pod.name}: two ports are called {port}"
    for volume in volumes - {mount["name"] for one in pod.containers for mount in one.get("volumeMounts", [])}:
        yield f"{pod.name}: nobody mounts volume {volume}"


def _of_volume(volume: Object, objects: list[Object]) -> Iterator[str]:
    if "persistentVolumeClaim" in volume:
        claim = volume["persistentVolumeClaim"]["claimName"]
        if not _there(objects, "PersistentVolumeClaim", claim):
            yield f"there is no claim {claim}"
    sources = [volume, *volume.get("projected", {}).get("sources", [])]
    for source in sources:
        if "configMap" in source:
            yield from _keys(objects, source["configMap"], "name")
        if "secret" in source:
            yield from _keys(objects, source["secret"], "secretName" if source is volume else "name")


def _keys(objects: list[Object], source: Object, field: str) -> Iterator[str]:
    called = source[field]
    found = _entries(objects, called)
    if found is None:
        yield f"there is no ConfigMap or Secret {called}"
    else:
        for item in source.get("items", []):
            if item["key"] not in found:
                yield f"{called} has no key {item['key']}"


def _of_variable(variable: Object, container: Object, objects: list[Object]) -> Iterator[str]:
    source = variable.get("valueFrom", {})
    resource = source.get("resourceFieldRef")
    if resource:
        group, _, which = resource["resource"].partition(".")
        if resource.get("containerName", container["name"]) != container["name"]:
            yield f"speaks of container {resource['containerName']}"
        if which not in container["resources"].get(group, {}):
            yield f"there is no {resource['resource']}"
    for kind in ("configMapKeyRef", "secretKeyRef"):
        if kind in source:
            found = _entries(objects, source[kind]["name"])
            if found is None or source[kind]["key"] not in found:
                yield f"there is no {source[kind]['name']} with {source[kind]['key']}"


def _of_service(service: Object, objects: list[Object]) -> Iterator[str]:
    chosen = [pod for pod in pods(objects) if selects({"matchLabels": service["spec"]["selector"]}, pod.labels)]
    if not chosen:
        yield f"{name(service)}: its selector chooses no pod"
    for pod in chosen:
        named = {port["name"] for container in pod.containers for port in container.get("ports", [])}
        numbers = {port["containerPort"] for container in pod.containers for port in container.get("ports", [])}
        for port in service["spec"]["ports"]:
            if port.get("targetPort", port["port"]) not in named | numbers:
                yield f"{name(service)}: {pod.name} has no port {port.get('targetPort', port['port'])}"


def _there(objects: Iterable[Object], kind: str, called: str) -> bool:
    return any(item["metadata"]["name"] == called for item in of_kind(objects, kind))


def _entries(objects: Iterable[Object], called: str) -> set[str] | None:
    """Keys of the ConfigMap or Secret of this name."""
    for item in objects:
        if item["kind"] in {"ConfigMap", "Secret"} and item["metadata"]["name"] == called:
            return {*item.get("data", {}), *item.get("stringData", {}), *item.get("binaryData", {})}
    return SECRETS.get(called)
