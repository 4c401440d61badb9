"""An overlay with the user's values: a kustomization beside the project's own manifests."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from spiral.configuration.files import load_config
from spiral.kubernetes.pod_contents import needs
from spiral.outputs import refuse_to_overwrite, remember
from spiral.wire.edges import SERVICES

GPUS = {"none": (), "each": ("gpu",), "shared": ("gpu/learner", "gpu/cpu-nodes")}
"""Components by number of GPUs: none, one each for learner and discriminator, one for the learner alone."""
CPU_LIMITS = {"renderer": "1", "actor": "1", "learner": "2", "discriminator": "1"}
"""Cores, if there have to be limits: about twice the request, and at least one."""
NUMBERS = "numbers"
"""Folder of the component with the numbers of pods."""
INSTANCE, SECOND = "instance", "second"
"""The component that renames a run, and the name in it."""


@dataclass(frozen=True, slots=True)
class Values:
    """The user's choices; None: as in the base."""

    registry: str | None = None
    tag: str | None = None
    actors: int | None = None
    renderers: int | None = None
    preset: str | None = None
    settings: Sequence[str] = ()
    storage_class: str | None = None
    gpu: str = "none"
    instance: str | None = None
    """Name of a run beside others in one namespace, and prefix of all its names."""
    namespace: str | None = None
    cpu_limits: bool = False
    """Whether pods get CPU limits, which a quota on ``limits.cpu`` demands of all."""


def write_overlay(manifests: Path, out: Path, values: Values, overwrite: bool = False) -> list[str]:
    """Write ``kustomization.yaml`` and what belongs to it into ``out``; what has to be put where before it is applied.

    ValueError with a sentence for a wrong value, and for a file there that is not ours, unless ``overwrite``.
    """
    _check(manifests, values)
    notes: list[str] = []
    files: dict[str, str] = {}
    if values.preset is not None:
        config = load_config(values.preset, values.settings, as_typed=True)
        notes = [*needs(config)]
        files["run.yaml"] = config.to_yaml()
    root = os.path.relpath(manifests.resolve(), out.resolve())
    components = [f"{root}/components/{name}" for name in GPUS[values.gpu]]
    counts = {"actor": values.actors, "renderer": values.renderers}
    if replicas := [{"name": name, "count": count} for name, count in counts.items() if count is not None]:
        # First, and not in the overlay itself, whose numbers would win over an autoscaling component's.
        components.insert(0, NUMBERS)
        numbers = {"apiVersion": "kustomize.config.k8s.io/v1alpha1", "kind": "Component", "replicas": replicas}
        files[f"{NUMBERS}/kustomization.yaml"] = yaml.safe_dump(numbers, sort_keys=False)
    if values.instance is not None:
        # Last, so that it renames what the others bring.
        components.append(INSTANCE)
        text = (manifests / "components" / INSTANCE / "kustomization.yaml").read_text()
        files[f"{INSTANCE}/kustomization.yaml"] = text.replace(SECOND, values.instance)
    tree = _kustomization(root, values, components, has_run="run.yaml" in files)
    files["kustomization.yaml"] = yaml.safe_dump(tree, sort_keys=False)
    written = [out / name for name in files]
    refuse_to_overwrite(written, overwrite)
    for name, text in files.items():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_text(text)
    remember(written)
    return notes


def _check(manifests: Path, values: Values) -> None:
    """ValueError with a sentence for a value that makes no sense."""
    if not (manifests / "base" / "kustomization.yaml").is_file():
        raise ValueError(f"manifests: {manifests} has no base/kustomization.yaml; expected the project's folder k8s")
    if values.gpu not in GPUS:
        raise ValueError(f'gpu: "{values.gpu}" is unknown; expected one of {", ".join(GPUS)}')
    if values.settings and values.preset is None:
        raise ValueError("--set: settings go on top of a preset; name it with --preset")
    if values.instance is not None and not re.fullmatch(r"[a-z]([-a-z0-9]{0,20}[a-z0-9])?", values.instance):
        raise ValueError(
            f'instance: "{values.instance}" is no name; expected at most 22 of a…z, 0…9 and -, a letter first'
        )


def _kustomization(root: str, values: Values, components: list[str], has_run: bool) -> dict[str, Any]:
    """The overlay itself."""
    tree: dict[str, Any] = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}
    if values.namespace:
        tree["namespace"] = values.namespace
    tree["resources"] = [f"{root}/namespace", f"{root}/base"]
    if components:
        tree["components"] = components
    if has_run:
        replaced = {"name": "run", "namespace": "spiral", "behavior": "replace", "files": ["run.yaml"]}
        tree["configMapGenerator"] = [replaced]
    if values.registry or values.tag:
        tree["images"] = [
            {"name": f"spiral-{service}"}
            | ({"newName": f"{values.registry.rstrip('/')}/spiral-{service}"} if values.registry else {})
            | ({"newTag": values.tag} if values.tag else {})
            for service in SERVICES
        ]
    patches = []
    if values.storage_class:
        path = "/spec/volumeClaimTemplates/0/spec/storageClassName"
        patches.append(_addition({"kind": "StatefulSet"}, path, values.storage_class))
    if values.cpu_limits:
        path = "/spec/template/spec/containers/0/resources/limits/cpu"
        patches += [_addition({"name": name, "group": "apps"}, path, cores) for name, cores in CPU_LIMITS.items()]
    if patches:
        tree["patches"] = patches
    return tree


def _addition(target: dict[str, str], path: str, value: str) -> dict[str, Any]:
    """A patch that adds one value."""
    return {"target": target, "patch": yaml.safe_dump([{"op": "add", "path": path, "value": value}])}
