"""Autoscalers keep the number of pods to themselves, whatever an overlay or a rendered one says of it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from cluster import manifests
from spiral.kubernetes.rendering import Values, write_overlay
from tests.k8s.static.combinations import K8S
from tests.k8s.static.objects import only

AUTOSCALING = ["autoscaling-hpa", "autoscaling-keda"]


def with_component(folder: Path, component: str) -> None:
    """Add a component behind those that are in a kustomization."""
    file = folder / "kustomization.yaml"
    tree: dict[str, Any] = yaml.safe_load(file.read_text())
    tree["components"] = [*tree.get("components", []), component]
    file.write_text(yaml.safe_dump(tree))


def replicas(folder: Path) -> list[int | None]:
    """The numbers of actors and renderers that an apply would set."""
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed: overlays can't be built")
    objects = manifests.render(folder)
    return [only(objects, "Deployment", name)["spec"].get("replicas") for name in ("actor", "renderer")]


@pytest.mark.parametrize("component", AUTOSCALING)
def test_an_overlays_own_numbers_give_way(tmp_path: Path, component: str) -> None:
    copy = tmp_path / "k8s"
    shutil.copytree(K8S, copy)
    local = copy / "overlays" / "local"
    assert replicas(local) == [1, 1]
    with_component(local, f"../../components/{component}")
    assert replicas(local) == [None, None]


@pytest.mark.parametrize("component", AUTOSCALING)
def test_numbers_that_were_rendered_give_way(tmp_path: Path, component: str) -> None:
    write_overlay(K8S, tmp_path / "mine", Values(actors=8, renderers=4))
    assert replicas(tmp_path / "mine") == [8, 4]
    with_component(tmp_path / "mine", os.path.relpath(K8S / "components" / component, tmp_path / "mine"))
    assert replicas(tmp_path / "mine") == [None, None]
