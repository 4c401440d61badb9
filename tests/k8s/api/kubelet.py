"""What runs in the pods: the little that tests need, done for real."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class Container:
    """One container of a pod: what it said, and where its ports are on this machine."""

    lines: list[tuple[datetime, str]] = field(default_factory=list)
    previous: list[tuple[datetime, str]] | None = None
    ports: dict[int, int] = field(default_factory=dict)
    """Where on 127.0.0.1 a port of the pod is answered."""
    changed: threading.Condition = field(default_factory=threading.Condition)

    def say(self, text: str, at: datetime | None = None) -> None:
        """Write a line to its log; without a time, a second after the last one."""
        with self.changed:
            last = self.lines[-1][0] if self.lines else EPOCH
            self.lines.append((at or last + timedelta(seconds=1), text))
            self.changed.notify_all()


class Kubelet:
    """All containers by pod, and the claims as directories."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.containers: dict[str, Container] = {}
        self.stuck: set[str] = set()
        """Pods that don't end when they are deleted."""
        self.unschedulable: dict[str, str] = {}
        """Pods that find no node, by name, and why."""
        self.on_stop: dict[str, Any] = {}
        """Called when a pod of that name ends: what it does on SIGTERM."""

    def container(self, pod: str) -> Container:
        """The container of a pod."""
        return self.containers.setdefault(pod, Container())

    def claim(self, name: str) -> Path:
        """The directory of a claim."""
        path = self.root / "claims" / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    def command(self, pod: Mapping[str, Any], command: Iterable[str]) -> list[str]:
        """A command with the paths of mounted claims replaced by their directories on this machine."""
        claims = {
            volume["name"]: volume["persistentVolumeClaim"]["claimName"]
            for volume in pod["spec"].get("volumes", [])
            if "persistentVolumeClaim" in volume
        }
        mounts = {
            mount["mountPath"]: str(self.claim(claims[mount["name"]]))
            for container in pod["spec"]["containers"]
            for mount in container.get("volumeMounts", [])
            if mount["name"] in claims
        }
        return [_moved(argument, mounts) for argument in command]


def _moved(argument: str, mounts: Mapping[str, str]) -> str:
    for inside, outside in mounts.items():
        if argument == inside or argument.startswith(inside + "/"):
            return outside + argument[len(inside) :]
    return argument
