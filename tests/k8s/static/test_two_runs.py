"""Two runs beside each other, in one namespace or in two: neither takes the other's pods."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from cluster import manifests
from cluster.manifests import Object
from spiral.kubernetes.rendering import Values, write_overlay
from tests.k8s.static.combinations import K8S
from tests.k8s.static.objects import name, of_kind, pods, selects
from tests.k8s.static.references import ambiguous, dangling
from tests.k8s.static.settings import mounted, wrong

INSTANCE = "app.kubernetes.io/instance"


def run(folder: Path, values: Values, *components: str) -> list[Object]:
    """A run as it is rendered with these values; ``components`` stand before the one that renames it."""
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed: overlays can't be built")
    write_overlay(K8S, folder, values)
    file = folder / "kustomization.yaml"
    for component in components:
        text = file.read_text()
        path = os.path.relpath(K8S / "components" / component, folder)
        file.write_text(text.replace("components:\n", f"components:\n- {path}\n"))
    return manifests.render(folder)


@pytest.mark.parametrize("components", [(), ("network-policies", "autoscaling-hpa"), ("autoscaling-keda",)])
def test_two_runs_in_one_namespace_keep_to_their_own(
    tmp_path: Path, secrets: Path, components: tuple[str, ...]
) -> None:
    both = [
        *run(tmp_path / "first", Values(instance="first", preset="demo"), *components),
        *(o for o in run(tmp_path / "other", Values(instance="other"), *components) if o["kind"] != "Namespace"),
    ]
    assert [*dangling(both), *ambiguous(both)] == []
    for item in both:
        if item["kind"] == "Namespace":
            continue
        spec = item.get("spec", {})
        selector = {"matchLabels": spec["selector"]} if item["kind"] == "Service" else spec.get("selector")
        selector = spec.get("podSelector") if item["kind"] == "NetworkPolicy" else selector
        mine = item["metadata"]["name"].partition("-")[0]
        if selector:
            chosen = {pod.labels[INSTANCE] for pod in pods(both) if selects(selector, pod.labels)}
            assert chosen <= {mine}, name(item)
    for pod in pods(both):
        assert [*wrong(pod, both, mounted(pod, both, secrets, tmp_path))] == []
        mine = pod.labels[INSTANCE]
        values = [v.get("value", "") for c in pod.containers for v in c["env"] if v["name"].endswith("_NAME")]
        assert all(value.startswith(f"{mine}-") for value in values), values


def test_a_run_can_have_a_namespace_of_its_own(tmp_path: Path) -> None:
    items = run(tmp_path, Values(namespace="other"))
    assert [item["metadata"]["name"] for item in of_kind(items, "Namespace")] == ["other"]
    assert {item["metadata"].get("namespace") for item in items if item["kind"] != "Namespace"} == {"other"}
    assert [*dangling(items), *ambiguous(items)] == []


def test_a_name_that_is_none_is_refused(tmp_path: Path) -> None:
    for wrong_name in ("Second", "-a", "1st", "a" * 23, "a_b"):
        with pytest.raises(ValueError, match=r"instance: .* is no name"):
            write_overlay(K8S, tmp_path / "o", Values(instance=wrong_name))
