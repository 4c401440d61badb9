"""Objects with resource versions: what etcd and the watch cache are to the real server."""

from __future__ import annotations

import copy
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.k8s.api.answers import Refusal, not_found
from tests.k8s.api.resources import RESOURCES, Resource

BY_NAME = {resource.name: resource for resource in RESOURCES}
Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Event:
    """One change, as a watch tells it."""

    version: int
    type: str
    resource: str
    item: Object


@dataclass(slots=True)
class Store:
    """All objects. Safe to use from the test and from the server; what it hands out are copies."""

    lock: threading.RLock = field(default_factory=threading.RLock)
    version: int = 1000
    forgotten: int = 0
    """Changes up to this version can't be told any more."""
    history: list[Event] = field(default_factory=list)
    listeners: list[Callable[[Event], None]] = field(default_factory=list)
    objects: dict[tuple[str, str, str], Object] = field(default_factory=dict)
    snapshots: dict[int, dict[tuple[str, str, str], Object]] = field(default_factory=dict)
    """States that lists in pages are being read from, by version."""

    def create(self, resource: str, item: Object) -> Object:
        """Add an object; 409 where it is there, 404 where its namespace is not."""
        kind = BY_NAME[resource]
        with self.lock:
            item = copy.deepcopy(item)
            metadata = item.setdefault("metadata", {})
            key = self._key(kind, metadata.get("namespace", ""), metadata["name"])
            if kind.namespaced and ("namespaces", "", key[1]) not in self.objects:
                raise not_found("namespaces", "", key[1])
            if key in self.objects:
                qualified = f"{resource}.{kind.group}" if kind.group else resource
                raise Refusal(409, f'{qualified} "{key[2]}" already exists', name=key[2], kind=resource)
            metadata.setdefault("uid", str(uuid.uuid4()))
            metadata.setdefault("creationTimestamp", now())
            item |= {"kind": kind.kind, "apiVersion": kind.api_version}
            return self._put("ADDED", key, item)

    def get(self, resource: str, namespace: str, name: str) -> Object:
        """One object; 404 where it is not there."""
        kind = BY_NAME[resource]
        with self.lock:
            try:
                return copy.deepcopy(self.objects[self._key(kind, namespace, name)])
            except KeyError:
                raise not_found(resource, kind.group, name) from None

    def list(self, resource: str, namespace: str = "") -> list[Object]:
        """All objects of a resource, in a namespace or everywhere, in the order of their keys."""
        with self.lock:
            return self._list(self.objects, resource, namespace)

    @contextmanager
    def change(self, resource: str, namespace: str, name: str) -> Iterator[Object]:
        """Read an object, let the block change it, and write it back; 404 where it is not there."""
        with self.lock:
            item = self.get(resource, namespace, name)
            before = copy.deepcopy(item)
            yield item
            if item != before:
                self._put("MODIFIED", self._key(BY_NAME[resource], namespace, name), item)

    def remove(self, resource: str, namespace: str, name: str) -> None:
        """Take an object out; nothing where it is not there."""
        with self.lock:
            item = self.objects.pop(self._key(BY_NAME[resource], namespace, name), None)
            if item is not None:
                self._tell("DELETED", resource, item)

    def page(self, resource: str, namespace: str, version: int | None) -> tuple[list[Object], int]:
        """All objects as they were at ``version`` (None: now, remembered); 410 where that is forgotten."""
        with self.lock:
            if version is None:
                version = self.version
                self.snapshots[version] = dict(self.objects)
            if version not in self.snapshots:
                raise Refusal(
                    410,
                    "The provided continue parameter is too old to display a consistent list result. You can start "
                    "a new list without the continue parameter, or use the continue token in this response to "
                    "retrieve the remainder of the results.",
                )
            return self._list(self.snapshots[version], resource, namespace), version

    def compact(self) -> None:
        """Forget the past, as etcd does every five minutes."""
        with self.lock:
            self.forgotten = self.version
            self.history.clear()
            self.snapshots.clear()

    def _list(self, objects: dict[tuple[str, str, str], Object], resource: str, namespace: str) -> list[Object]:
        keys = sorted(key for key in objects if key[0] == resource and namespace in {"", key[1]})
        return [copy.deepcopy(objects[key]) for key in keys]

    def _put(self, kind: str, key: tuple[str, str, str], item: Object) -> Object:
        self.objects[key] = item
        self._tell(kind, key[0], item)
        return copy.deepcopy(item)

    def _tell(self, kind: str, resource: str, item: Object) -> None:
        self.version += 1
        item["metadata"]["resourceVersion"] = str(self.version)
        event = Event(self.version, kind, resource, copy.deepcopy(item))
        self.history.append(event)
        for listener in list(self.listeners):
            listener(event)

    @staticmethod
    def _key(kind: Resource, namespace: str, name: str) -> tuple[str, str, str]:
        return kind.name, namespace if kind.namespaced else "", name


def now() -> str:
    """The time as objects have it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
