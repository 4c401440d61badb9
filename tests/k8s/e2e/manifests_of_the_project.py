"""The project's manifests as they are, and with changes that a test makes to them."""

from __future__ import annotations

import copy
import hashlib
import shutil
from collections.abc import Callable, Mapping
from typing import Any

import yaml

from cluster.manifests import REPOSITORY, Object, render
from tests.k8s.static import golden

K8S = REPOSITORY / "k8s"


def project(part: str = "") -> list[Object]:
    """The rendered root, or a part such as ``overlays/batch``; its golden render where there is no kubectl."""
    folder = K8S / part if part else K8S
    name = part.removeprefix("overlays/").replace("/", "-") or "root"
    return render(folder) if shutil.which("kubectl") else golden.read(name)


def with_run(items: list[Object], change: Callable[[dict[str, Any]], None]) -> list[Object]:
    """The same with another run: its ConfigMap gets another name, as from kustomize, and all refer to that."""
    items = copy.deepcopy(items)
    (old,) = (item for item in items if item["kind"] == "ConfigMap" and "run.yaml" in item["data"])
    run = yaml.safe_load(old["data"]["run.yaml"])
    change(run)
    text = yaml.safe_dump(run, sort_keys=False)
    name = old["metadata"]["name"]
    old["data"]["run.yaml"] = text
    new_name = "run-" + hashlib.sha256(text.encode()).hexdigest()[:10]
    return [_renamed(item, name, new_name) for item in items]


def setting(path: str, value: object) -> Callable[[dict[str, Any]], None]:
    """A change of one setting, for example ``learner.reuse``."""
    return settings({path: value})


def settings(values: Mapping[str, object]) -> Callable[[dict[str, Any]], None]:
    """A change of several settings."""

    def change(run: dict[str, Any]) -> None:
        for path, value in values.items():
            *sections, last = path.split(".")
            section = run
            for name in sections:
                section = section.setdefault(name, {})
            section[last] = value

    return change


SMALL = settings(
    {
        "actor.batch": 16,
        "learner.batch": 16,
        "learner.checkpoint_s": 2,
        "learner.sample_s": 2,
        "policy.width": 32,
        "discriminator.channels": [8, 8, 8],
    }
)
"""Everything small and often, for a busy machine."""


def single(items: list[Object]) -> list[Object]:
    """The same with one actor and one renderer."""
    items = copy.deepcopy(items)
    for item in items:
        if item["kind"] == "Deployment":
            item["spec"]["replicas"] = 1
    return items


def with_environment(items: list[Object], workload: str, **values: str) -> list[Object]:
    """The same with variables of a workload's first container set to other values."""
    items = copy.deepcopy(items)
    (found,) = (item for item in items if item["metadata"]["name"] == workload and "template" in item.get("spec", {}))
    container = found["spec"]["template"]["spec"]["containers"][0]
    kept = [variable for variable in container["env"] if variable["name"] not in values]
    container["env"] = [*kept, *({"name": name, "value": value} for name, value in values.items())]
    return items


def without_namespace(items: list[Object]) -> list[Object]:
    """What ``kubectl delete -k k8s/base`` names: everything but the namespace."""
    return [item for item in items if item["kind"] != "Namespace"]


def _renamed(value: Any, old: str, new: str) -> Any:
    if isinstance(value, dict):
        return {key: _renamed(inner, old, new) for key, inner in value.items()}
    if isinstance(value, list):
        return [_renamed(inner, old, new) for inner in value]
    return new if value == old else value
