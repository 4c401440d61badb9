"""Kubernetes objects as plain dictionaries: rendered from a kustomization, looked up by kind and name."""

from __future__ import annotations

import math
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

Object = dict[str, Any]
"""One object as its YAML says it."""

REPOSITORY = Path(__file__).parents[1]

_UNITS = {"": 1.0, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12} | {
    f"{prefix}i": 1024.0**power for power, prefix in enumerate("KMGT", start=1)
}


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """What makes an object the same object on the next apply."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind.lower()}/{self.name}"


def render(folder: Path) -> list[Object]:
    """The objects that ``kubectl kustomize`` makes of a folder.

    Raises ValueError if there is no kubectl, or with its own words where it refuses.
    """
    if shutil.which("kubectl") is None:
        raise ValueError(f"{folder} can't be rendered: kubectl is not installed")
    built = subprocess.run(["kubectl", "kustomize", str(folder)], capture_output=True, text=True, check=False)
    if built.returncode:
        raise ValueError(f"kubectl kustomize {folder}: {built.stderr.strip()}")
    return parse(built.stdout)


def parse(text: str) -> list[Object]:
    """The objects of a YAML stream."""
    return [document for document in yaml.safe_load_all(text) if document]


def key(item: Object, namespace: str = "default") -> Key:
    """The object's key; an object of the whole cluster has no namespace."""
    metadata = item["metadata"]
    namespaced = item["kind"] not in {"Namespace", "PersistentVolume", "StorageClass", "ClusterRole"}
    return Key(item["kind"], metadata.get("namespace", namespace) if namespaced else "", metadata["name"])


class Objects:
    """The objects that have been applied."""

    def __init__(self) -> None:
        self._items: dict[Key, Object] = {}

    def __iter__(self) -> Iterator[Object]:
        return iter(list(self._items.values()))

    def put(self, item: Object) -> None:
        """Add it, or replace the one of the same key."""
        self._items[key(item)] = item

    def drop(self, which: Key) -> None:
        """Remove it, if it is there."""
        self._items.pop(which, None)

    def get(self, which: Key) -> Object | None:
        """The object of this key."""
        return self._items.get(which)

    def of_kind(self, kind: str, namespace: str | None = None) -> list[Object]:
        """All of a kind, in the order in which they came."""
        return [self._items[k] for k in self._items if k.kind == kind and namespace in {None, k.namespace}]


def matches(labels: dict[str, str], selector: dict[str, str]) -> bool:
    """Whether ``labels`` have everything that the selector asks for; an empty selector chooses nothing."""
    return bool(selector) and selector.items() <= labels.items()


def containers(pod_spec: Object) -> Iterable[Object]:
    """Init containers and containers of a pod."""
    return [*pod_spec.get("initContainers", []), *pod_spec["containers"]]


def quantity(text: str | float) -> float:
    """A Kubernetes quantity as a number: ``250m`` → 0.25, ``1Gi`` → 1073741824."""
    match = re.fullmatch(r"([0-9.]+(?:e[0-9]+)?)([A-Za-z]*)", str(text))
    if match is None or match[2] not in _UNITS:
        raise ValueError(f'"{text}" is no quantity; expected for example 250m, 2 or 1Gi')
    return float(match[1]) * _UNITS[match[2]]


def count(value: int | str, total: int, *, up: bool) -> int:
    """An absolute number or a percentage of ``total``, rounded up or down."""
    if isinstance(value, int):
        return value
    share = float(value.removesuffix("%")) / 100 * total
    return math.ceil(share) if up else math.floor(share)
