"""Which resources there are; selectors; patches."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.k8s.api.answers import Refusal


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind of object and where it is found."""

    name: str
    kind: str
    group: str = ""
    version: str = "v1"
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def root(self) -> str:
        return f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"


RESOURCES = (
    Resource("pods", "Pod"),
    Resource("services", "Service"),
    Resource("configmaps", "ConfigMap"),
    Resource("events", "Event"),
    Resource("persistentvolumeclaims", "PersistentVolumeClaim"),
    Resource("namespaces", "Namespace", namespaced=False),
    Resource("nodes", "Node", namespaced=False),
    Resource("deployments", "Deployment", "apps"),
    Resource("statefulsets", "StatefulSet", "apps"),
    Resource("jobs", "Job", "batch"),
    Resource("horizontalpodautoscalers", "HorizontalPodAutoscaler", "autoscaling", "v2"),
    Resource("storageclasses", "StorageClass", "storage.k8s.io", namespaced=False),
    Resource("apiservices", "APIService", "apiregistration.k8s.io", namespaced=False),
)
SCALED = ("deployments", "statefulsets")

MERGE_PATCHES = ("application/merge-patch+json", "application/strategic-merge-patch+json")


def selects(labels: str, fields: str, item: Mapping[str, Any]) -> bool:
    """Whether an object is meant by a label selector (``a=b,c!=d,e in (f,g),h``) and a field selector."""
    return all(_label_fits(term, item["metadata"].get("labels") or {}) for term in _terms(labels)) and all(
        _field_fits(term, item) for term in _terms(fields)
    )


def _terms(selector: str) -> list[str]:
    terms, depth, term = [], 0, ""
    for letter in selector:
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if letter == "," and not depth:
            terms.append(term.strip())
            term = ""
        else:
            term += letter
    return [*terms, term.strip()] if term.strip() else terms


def _label_fits(term: str, labels: Mapping[str, str]) -> bool:
    if " in " in term:
        key, _, values = term.partition(" in ")
        return labels.get(key.strip()) in [value.strip() for value in values.strip(" ()").split(",")]
    if "!=" in term:
        key, _, value = term.partition("!=")
        return labels.get(key.strip()) != value.strip()
    if "=" in term:
        key, _, value = term.replace("==", "=").partition("=")
        return labels.get(key.strip()) == value.strip()
    return term in labels


def _field_fits(term: str, item: Mapping[str, Any]) -> bool:
    path, _, value = term.replace("==", "=").partition("=")
    found: Any = item
    for part in path.rstrip("!").split("."):
        found = found.get(part, "") if isinstance(found, Mapping) else ""
    return (found != value) if path.endswith("!") else (found == value)


def patched(item: Mapping[str, Any], patch: Any, content_type: str) -> dict[str, Any]:
    """The object after a patch; 415 for a content type that there is not, 400 where it does not fit the type."""
    result = copy.deepcopy(dict(item))
    if content_type in MERGE_PATCHES:
        if not isinstance(patch, Mapping):
            raise Refusal(400, "json: cannot unmarshal array into Go value of type map[string]interface {}")
        return _merged(result, patch)
    if content_type == "application/json-patch+json":
        if not isinstance(patch, list):
            raise Refusal(400, "json: cannot unmarshal object into Go value of type jsonpatch.Patch")
        for step in patch:
            *path, last = step["path"].strip("/").split("/")
            place = result
            for part in path:
                place = place[part]
            place[last] = step["value"]
        return result
    raise Refusal(
        415,
        "the body of the request was in an unknown format - accepted media types include: "
        "application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json, "
        "application/apply-patch+yaml",
    )


def _merged(item: dict[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    for key, value in patch.items():
        if value is None:
            item.pop(key, None)
        elif isinstance(value, Mapping) and isinstance(item.get(key), dict):
            item[key] = _merged(item[key], value)
        else:
            item[key] = copy.deepcopy(value)
    return item
