"""Volumes of a pod as directories of this machine, and what of them each container sees where."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from cluster.environment import ConfigError, Identity, data
from cluster.manifests import Key, Object, Objects


class VolumeError(ValueError):
    """A volume can't be mounted yet: the pod waits as ContainerCreating."""


@dataclass(frozen=True, slots=True)
class Mount:
    """A directory or file of this machine at its place in a container."""

    source: Path
    target: str
    read_only: bool = False


class Claims:
    """The persistent volumes: a directory for each claim, which outlives its pods."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._sized: set[Path] = set()

    def path(self, namespace: str, name: str) -> Path:
        """Where the claim's files lie on this machine."""
        return self._folder / namespace / name

    def provision(self, namespace: str, name: str) -> Path:
        """Make the volume unless it is there. As from a provisioner, it belongs to root: only ``fsGroup`` opens it."""
        path = self.path(namespace, name)
        if not path.exists():
            path.mkdir(parents=True)
            path.chmod(0o755)
        return path

    def limit(self, namespace: str, name: str, size_bytes: int) -> Path:
        """Make the volume a file system of this size, so that it can be full; before a pod mounts it."""
        path = self.provision(namespace, name)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size_bytes},mode=755", "claim", str(path)], check=True)
        self._sized.add(path)
        return path

    def drop(self, namespace: str, name: str) -> None:
        """Delete the volume with all that is on it."""
        path = self.path(namespace, name)
        if path in self._sized:
            subprocess.run(["umount", "--lazy", str(path)], check=True)
            self._sized.discard(path)
        subprocess.run(["rm", "-rf", "--one-file-system", str(path)], check=True)

    def close(self) -> None:
        """Unmount what :meth:`limit` mounted."""
        for path in self._sized:
            subprocess.run(["umount", "--lazy", str(path)], check=False)
        self._sized.clear()


@dataclass(frozen=True, slots=True)
class Volumes:
    """Everything that a pod's containers mount, made once for the pod."""

    folder: Path
    paths: dict[str, Path]
    read_only: frozenset[str]

    def mounts(self, container: Object, expand: Callable[[str], str] = str) -> list[Mount]:
        """What this container sees; ``expand`` resolves $(NAME) in ``subPathExpr``."""
        return [self._mount(item, expand) for item in container.get("volumeMounts", [])]

    def _mount(self, item: Object, expand: Callable[[str], str]) -> Mount:
        name = item["name"]
        if name not in self.paths:
            raise ConfigError(f'volumeMount "{name}" names no volume of the pod')
        source = self.paths[name]
        below = item.get("subPath") or expand(item.get("subPathExpr", ""))
        if below:
            source = source / below
            if not source.exists():
                source.mkdir(parents=True)
        return Mount(source, item["mountPath"], item.get("readOnly", False) or name in self.read_only)


def prepare(folder: Path, spec: Object, pod: Identity, objects: Objects, claims: Claims) -> Volumes:
    """Make the volumes of a pod below ``folder``; VolumeError if one refers to something that isn't there."""
    group = spec.get("securityContext", {}).get("fsGroup")
    paths, read_only = {}, set()
    for volume in spec.get("volumes", []):
        name = volume["name"]
        if "persistentVolumeClaim" in volume:
            paths[name] = _claim(volume["persistentVolumeClaim"]["claimName"], pod.namespace, objects, claims)
        else:
            paths[name] = folder / name
            paths[name].mkdir(parents=True, exist_ok=True)
            if "emptyDir" in volume:
                paths[name].chmod(0o777)
            else:
                read_only.add(name)
                _write(paths[name], volume, pod, objects)
        if group is not None:
            _give(paths[name], group, writable=name not in read_only)
    return Volumes(folder, paths, frozenset(read_only))


def _claim(name: str, namespace: str, objects: Objects, claims: Claims) -> Path:
    if objects.get(Key("PersistentVolumeClaim", namespace, name)) is None:
        raise VolumeError(f'persistentvolumeclaim "{name}" not found')
    return claims.provision(namespace, name)


def _write(folder: Path, volume: Object, pod: Identity, objects: Objects) -> None:
    for name, content, mode in _files(volume, pod, objects):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(mode)


def _files(volume: Object, pod: Identity, objects: Objects) -> Iterator[tuple[str, bytes, int]]:
    if "projected" in volume:
        default = volume["projected"].get("defaultMode", 0o644)
        for source in volume["projected"]["sources"]:
            for kind, body in source.items():
                yield from _files({kind: {"defaultMode": default} | body}, pod, objects)
        return
    if "downwardAPI" in volume:
        body = volume["downwardAPI"]
        for item in body["items"]:
            value = pod.field(item["fieldRef"]["fieldPath"])
            yield item["path"], value.encode(), item.get("mode", body.get("defaultMode", 0o644))
        return
    kind, body = ("ConfigMap", volume.get("configMap")) if "configMap" in volume else ("Secret", volume.get("secret"))
    if body is None:
        raise VolumeError(f"volume {volume}: a kind of volume that this cluster doesn't have")
    try:
        found = data(objects, kind, pod.namespace, body.get("name") or body["secretName"], body.get("optional", False))
    except ConfigError as error:
        raise VolumeError(str(error)) from error
    default = body.get("defaultMode", 0o644)
    items = body.get("items") or [{"key": entry, "path": entry} for entry in found]
    for item in items:
        if item["key"] not in found:
            raise VolumeError(f'key "{item["key"]}" is not in {kind.lower()} of volume {volume.get("name", "")}')
        yield item["path"], found[item["key"]], item.get("mode", default)


def _give(path: Path, group: int, *, writable: bool) -> None:
    """As the kubelet does for ``fsGroup``: the group owns all of it, may write, and new files inherit the group."""
    for folder, _, files in os.walk(path):
        os.chown(folder, -1, group)
        if writable:
            os.chmod(folder, os.stat(folder).st_mode | 0o2770)
        for file in files:
            os.chown(os.path.join(folder, file), -1, group, follow_symlinks=False)
            if writable and not os.path.islink(os.path.join(folder, file)):
                os.chmod(os.path.join(folder, file), os.stat(os.path.join(folder, file)).st_mode | 0o660)
