"""The profile ``restricted`` of the Pod Security Standards, and the house's own rules for pods."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tests.k8s.static.combinations import Object
from tests.k8s.static.objects import SERVICES, Pod, of_kind

VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
}
"""Kinds of volumes that ``restricted`` allows."""
NO_CPU_LIMIT = {"renderer", "actor"}
"""Services that a CPU limit would throttle in the middle of a step."""


def violations(pod: Pod) -> Iterator[str]:
    """What ``restricted`` (v1.30) refuses of a pod; the rules that concern Linux."""
    spec, context = pod.spec, pod.spec.get("securityContext", {})
    for field in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(field):
            yield f"{field} is true"
    if context.get("sysctls"):
        yield "sysctls are set"
    for volume in spec.get("volumes", []):
        for kind in volume.keys() - {"name"} - VOLUMES:
            yield f"volume {volume['name']} is a {kind}"
    for container in pod.containers:
        yield from (f"{container['name']}: {sentence}" for sentence in _of_container(container, context))


def _of_container(container: Object, context: Object) -> Iterator[str]:
    own = container.get("securityContext", {})
    capabilities, effective = own.get("capabilities", {}), {**context, **own}
    found = {
        "privileged": own.get("privileged"),
        "allowPrivilegeEscalation is not false": own.get("allowPrivilegeEscalation") is not False,
        "capabilities are not dropped": capabilities.get("drop") != ["ALL"],
        "capabilities are added": set(capabilities.get("add", [])) - {"NET_BIND_SERVICE"},
        "runAsNonRoot is not true": effective.get("runAsNonRoot") is not True,
        "runAsUser is 0": effective.get("runAsUser") == 0,
        "seccompProfile is missing": effective.get("seccompProfile", {}).get("type")
        not in {"RuntimeDefault", "Localhost"},
        "seLinuxOptions or procMount is set": "seLinuxOptions" in effective or "procMount" in own,
        "hostPort is set": any(port.get("hostPort") for port in container.get("ports", [])),
    }
    yield from (sentence for sentence, wrong in found.items() if wrong)


def carelessness(pod: Pod, objects: Iterable[Object]) -> Iterator[str]:
    """Where a pod is not as the house wants every pod."""
    spec, context = pod.spec, pod.spec.get("securityContext", {})
    if not isinstance(context.get("runAsUser"), int):
        yield "no numeric runAsUser"
    if spec.get("enableServiceLinks") is not False:
        yield "enableServiceLinks is not false"
    if spec.get("automountServiceAccountToken") is not False and not _may_ask(pod, objects):
        yield "the token of an account without rights is mounted"
    temporary = {volume["name"] for volume in spec.get("volumes", []) if "emptyDir" in volume}
    for volume in spec.get("volumes", []):
        if "emptyDir" in volume and "sizeLimit" not in volume["emptyDir"]:
            yield f"volume {volume['name']} has no sizeLimit"
    for container in pod.containers:
        called, limits = container["name"], container["resources"].get("limits", {})
        if container.get("securityContext", {}).get("readOnlyRootFilesystem") is not True:
            yield f"{called}: readOnlyRootFilesystem is not true"
        if "memory" not in limits:
            yield f"{called}: no memory limit"
        if {"cpu", "memory"} - container["resources"].get("requests", {}).keys():
            yield f"{called}: no request for CPU or memory"
        if called in NO_CPU_LIMIT and "cpu" in limits:
            yield f"{called}: a CPU limit"
        mounts = {mount["mountPath"]: mount["name"] for mount in container.get("volumeMounts", [])}
        if called in SERVICES and mounts.get("/tmp") not in temporary:
            yield f"{called}: /tmp is not writable"


def _may_ask(pod: Pod, objects: Iterable[Object]) -> bool:
    """Whether the pod's account is bound to a role."""
    bindings = [item for item in objects if item["kind"] in {"RoleBinding", "ClusterRoleBinding"}]
    accounts = {subject["name"] for binding in bindings for subject in binding.get("subjects", [])}
    return pod.spec.get("serviceAccountName") in accounts


def rights(objects: Iterable[Object]) -> list[Object]:
    """All objects that give an account rights."""
    return [
        item for kind in ("Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding") for item in of_kind(objects, kind)
    ]
