"""What a container is told: its environment, command and arguments, every reference resolved."""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from cluster.manifests import Key, Object, Objects, quantity

_REFERENCE = re.compile(r"\$\$|\$\(([A-Za-z_][A-Za-z0-9_.-]*)\)")
_KEYED = re.compile(r"metadata\.(labels|annotations)\['([^']+)'\]")


class ConfigError(ValueError):
    """The container refers to something that isn't there: it waits as CreateContainerConfigError."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What a pod knows of itself, for ``fieldRef``."""

    name: str
    namespace: str
    uid: str
    address: str
    host_address: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    service_account: str
    node: str = "node"

    def field(self, path: str) -> str:
        """The value of ``metadata.name``, ``status.podIP`` and so on; ConfigError if there is no such field."""
        keyed = _KEYED.fullmatch(path)
        if keyed:
            return (self.labels if keyed[1] == "labels" else self.annotations).get(keyed[2], "")
        fields = {
            "metadata.name": self.name,
            "metadata.namespace": self.namespace,
            "metadata.uid": self.uid,
            "spec.nodeName": self.node,
            "spec.serviceAccountName": self.service_account,
            "status.podIP": self.address,
            "status.podIPs": self.address,
            "status.hostIP": self.host_address,
        }
        if path not in fields:
            raise ConfigError(f'fieldRef "{path}" is none of {", ".join(fields)}')
        return fields[path]


@dataclass(frozen=True, slots=True)
class Node:
    """What the machine has to give; a container without a limit may use all of it."""

    cpus: int
    memory_bytes: int
    gpus: int = 0

    def resource(self, container: Object, name: str, divisor: str | float) -> str:
        """The value of a ``resourceFieldRef`` of this container, rounded up to whole divisors."""
        group, resource = name.split(".", 1)
        resources = container.get("resources", {})
        limit = resources.get("limits", {}).get(resource)
        value = limit if group == "limits" else resources.get("requests", {}).get(resource, limit)
        if value is None:
            value = {"cpu": self.cpus, "memory": self.memory_bytes}.get(resource, 0) if group == "limits" else 0
        return str(math.ceil(quantity(value) / (quantity(divisor) or 1)))


def environment(container: Object, pod: Identity, objects: Objects, node: Node) -> dict[str, str]:
    """The variables that the manifest sets, in order; ConfigError if something it refers to is missing."""
    values: dict[str, str] = {}
    for source in container.get("envFrom", []):
        kind = "ConfigMap" if "configMapRef" in source else "Secret"
        reference = source.get("configMapRef") or source["secretRef"]
        found = data(objects, kind, pod.namespace, reference["name"], reference.get("optional", False))
        values |= {source.get("prefix", "") + name: text.decode() for name, text in found.items()}
    for variable in container.get("env", []):
        value = _value(variable, container, pod, objects, node)
        if value is not None:
            values[variable["name"]] = expand(value, values)
    return values


def expand(text: str, values: Mapping[str, str]) -> str:
    """``$(NAME)`` → its value, as Kubernetes does it: an unknown name stays as it is, ``$$`` is a dollar."""

    def replace(match: re.Match[str]) -> str:
        return "$" if match[0] == "$$" else values.get(match[1], match[0])

    return _REFERENCE.sub(replace, text)


def data(objects: Objects, kind: str, namespace: str, name: str, optional: bool = False) -> dict[str, bytes]:
    """The entries of a ConfigMap or Secret; ConfigError if it isn't there and isn't optional."""
    found = objects.get(Key(kind, namespace, name))
    if found is None:
        if optional:
            return {}
        raise ConfigError(f'{kind.lower()} "{name}" not found')
    texts = found.get("data") or {}
    if kind == "Secret":
        plain = {entry: str(text).encode() for entry, text in (found.get("stringData") or {}).items()}
        return {entry: base64.b64decode(text) for entry, text in texts.items()} | plain
    binary = {entry: base64.b64decode(text) for entry, text in (found.get("binaryData") or {}).items()}
    return {entry: str(text).encode() for entry, text in texts.items()} | binary


def _value(variable: Object, container: Object, pod: Identity, objects: Objects, node: Node) -> str | None:
    source = variable.get("valueFrom")
    if source is None:
        return str(variable.get("value", ""))
    if "fieldRef" in source:
        return pod.field(source["fieldRef"]["fieldPath"])
    if "resourceFieldRef" in source:
        reference = source["resourceFieldRef"]
        return node.resource(container, reference["resource"], reference.get("divisor", 1))
    kind = "ConfigMap" if "configMapKeyRef" in source else "Secret"
    reference = source.get("configMapKeyRef") or source["secretKeyRef"]
    optional = reference.get("optional", False)
    found = data(objects, kind, pod.namespace, reference["name"], optional)
    if reference["key"] in found:
        return found[reference["key"]].decode()
    if optional:
        return None
    raise ConfigError(f'key "{reference["key"]}" not found in {kind.lower()} "{reference["name"]}"')
