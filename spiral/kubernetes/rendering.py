"""An overlay with the user's values: a kustomization beside the project's own manifests."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from spiral.configuration.files import load_config
from spiral.configuration.paths import relative_paths
from spiral.outputs import refuse_to_overwrite, remember
from spiral.wire.edges import SERVICES

GPUS = {"none": (), "each": ("gpu",), "shared": ("gpu/learner", "gpu/cpu-nodes")}
"""Components by number of GPUs: none, one each for learner and discriminator, one for both."""


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


def write_overlay(manifests: Path, out: Path, values: Values, overwrite: bool = False) -> None:
    """Write ``kustomization.yaml`` (and ``run.yaml``) into ``out``.

    ValueError with a sentence for a wrong value, and for a file there that is not ours, unless ``overwrite``.
    """
    if not (manifests / "base" / "kustomization.yaml").is_file():
        raise ValueError(f"manifests: {manifests} has no base/kustomization.yaml; expected the project's folder k8s")
    if values.gpu not in GPUS:
        raise ValueError(f'gpu: "{values.gpu}" is unknown; expected one of {", ".join(GPUS)}')
    if values.settings and values.preset is None:
        raise ValueError("--set: settings go on top of a preset; name it with --preset")
    run = None if values.preset is None else _run(values.preset, values.settings)
    written = [out / "kustomization.yaml", *([] if run is None else [out / "run.yaml"])]
    refuse_to_overwrite(written, overwrite)
    out.mkdir(parents=True, exist_ok=True)
    root = os.path.relpath(manifests.resolve(), out.resolve())
    tree: dict[str, Any] = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [f"{root}/namespace", f"{root}/base"],
    }
    if GPUS[values.gpu]:
        tree["components"] = [f"{root}/components/{name}" for name in GPUS[values.gpu]]
    if run is not None:
        (out / "run.yaml").write_text(run)
        replaced = {"name": "run", "namespace": "spiral", "behavior": "replace", "files": ["run.yaml"]}
        tree["configMapGenerator"] = [replaced]
    if values.registry or values.tag:
        tree["images"] = [
            {"name": f"spiral-{service}"}
            | ({"newName": f"{values.registry.rstrip('/')}/spiral-{service}"} if values.registry else {})
            | ({"newTag": values.tag} if values.tag else {})
            for service in SERVICES
        ]
    counts = {"actor": values.actors, "renderer": values.renderers}
    if replicas := [{"name": name, "count": count} for name, count in counts.items() if count is not None]:
        tree["replicas"] = replicas
    if values.storage_class:
        path = "/spec/volumeClaimTemplates/0/spec/storageClassName"
        patch = yaml.safe_dump([{"op": "add", "path": path, "value": values.storage_class}])
        tree["patches"] = [{"target": {"kind": "StatefulSet"}, "patch": patch}]
    (out / "kustomization.yaml").write_text(yaml.safe_dump(tree, sort_keys=False))
    remember(written)


def _run(preset: str, settings: Sequence[str]) -> str:
    """The run's configuration. Its paths are paths in the pods, so they can't be completed here."""
    config = load_config(preset, settings, as_typed=True)
    for key, path in relative_paths(config.model_dump()).items():
        raise ValueError(
            f"{key}: {path} is a relative path; expected the path in the pods, for example /var/lib/spiral/…"
        )
    return config.to_yaml()
