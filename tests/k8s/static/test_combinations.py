"""Every combination of the manifests: it builds, it is what is committed, and everything in it fits together."""

from __future__ import annotations

import functools
import json
import tomllib
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from spiral.configuration.files import load_config, parse_config
from spiral.configuration.schema import RunConfig
from tests.k8s.static import golden
from tests.k8s.static.combinations import ALL, COMPONENTS, K8S, ROOT
from tests.k8s.static.conftest import Rendered
from tests.k8s.static.objects import SERVICES, name, of_kind, only, pods
from tests.k8s.static.pod_security import carelessness, rights, violations
from tests.k8s.static.references import ambiguous, dangling
from tests.k8s.static.settings import mounted, wrong
from tests.k8s.static.stability import rewritten

VERSION: str = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
KUBERNETES = ["1.30", "1.32", kubernetes_validate.latest_version().rsplit(".", 1)[0]]
CUSTOM = {"keda.sh/v1alpha1", "monitoring.coreos.com/v1"}
"""Objects of operators that the components' READMEs ask for; Kubernetes itself has no schema for them."""
LARGEST_CONFIG_MAP_BYTES = 256 << 10
"""Above it `kubectl apply` can't store what was applied last beside the object."""

combinations = pytest.mark.parametrize("combination", ALL)


@pytest.mark.parametrize("combination", golden.NAMES)
def test_the_committed_render_is_what_is_built(rendered: Rendered, combination: str) -> None:
    assert rendered(combination) == golden.read(combination), "make golden renews it"


def test_there_is_a_render_for_each_overlay_and_no_other() -> None:
    assert {path.stem for path in golden.FOLDER.glob("*")} == set(golden.NAMES)


@combinations
@pytest.mark.parametrize("version", KUBERNETES)
def test_kubernetes_knows_every_field(rendered: Rendered, combination: str, version: str) -> None:
    for item in rendered(combination):
        if item["apiVersion"] not in CUSTOM:
            validate(json.dumps(item), version)


@functools.cache
def validate(item: str, version: str) -> None:
    """Hold an object to the schema of its kind; once, as most are the same in every combination."""
    kubernetes_validate.validate(json.loads(item), version, strict=True)


@combinations
def test_pods_are_restricted(rendered: Rendered, combination: str) -> None:
    objects = rendered(combination)
    found = [f"{pod.name}: {sentence}" for pod in pods(objects) for sentence in violations(pod)]
    found += [f"{pod.name}: {sentence}" for pod in pods(objects) for sentence in carelessness(pod, objects)]
    assert found == []


@combinations
def test_what_is_named_is_there(rendered: Rendered, combination: str) -> None:
    objects = rendered(combination)
    assert [*dangling(objects), *ambiguous(objects)] == []


@combinations
def test_services_understand_their_settings(
    rendered: Rendered, combination: str, secrets: Path, tmp_path: Path
) -> None:
    objects = rendered(combination)
    found = [
        sentence for pod in pods(objects) for sentence in wrong(pod, objects, mounted(pod, objects, secrets, tmp_path))
    ]
    assert found == []


@combinations
def test_a_second_apply_changes_nothing(rendered: Rendered, combination: str) -> None:
    objects = rendered(combination)
    assert [f"{name(item)}: {sentence}" for item in objects for sentence in rewritten(item)] == []


@combinations
def test_images_are_known(rendered: Rendered, combination: str) -> None:
    ours = {f"spiral-{service}:{VERSION}" for service in SERVICES}
    cuda = {f"spiral-{service}:{VERSION}-cuda" for service in ("learner", "discriminator")}
    for pod in pods(rendered(combination)):
        for container in pod.containers:
            image = container["image"]
            assert image in ours | cuda or image in OTHER_IMAGES, f"{pod.name}: {image}"
            assert container["imagePullPolicy"] == "IfNotPresent", f"{pod.name}: {container['name']}"


OTHER_IMAGES = {"prom/prometheus:v3.13.3", "grafana/grafana:12.4.0", "spiral-renderer-node:0.1.0"}
"""Images that `make images` does not build."""


@combinations
def test_config_maps_are_small_and_everything_is_in_the_namespace(rendered: Rendered, combination: str) -> None:
    for item in rendered(combination):
        if item["kind"] == "ConfigMap":
            assert len(json.dumps(item).encode()) < LARGEST_CONFIG_MAP_BYTES, name(item)
        if item["kind"] not in {"Namespace", "ClusterRole", "ClusterRoleBinding"}:
            assert item["metadata"].get("namespace") == "spiral", name(item)


@combinations
def test_labels_are_the_common_ones_and_selectors_stand_on_two_that_never_change(
    rendered: Rendered, combination: str
) -> None:
    objects = rendered(combination)
    for item in objects:
        assert item["metadata"]["labels"]["app.kubernetes.io/part-of"] == "spiral", name(item)
    for pod in pods(objects):
        expected = {"name", "instance", "component", "part-of", "version"}
        assert {f"app.kubernetes.io/{key}" for key in expected} <= pod.labels.keys(), pod.name
    for item in [*of_kind(objects, "Deployment"), *of_kind(objects, "StatefulSet")]:
        stable = {"app.kubernetes.io/name", "app.kubernetes.io/instance"}
        assert item["spec"]["selector"]["matchLabels"].keys() == stable, name(item)
        for template in item["spec"].get("volumeClaimTemplates", []):
            assert "app.kubernetes.io/version" not in template["metadata"]["labels"], name(item)


@combinations
def test_an_autoscaler_has_the_number_of_pods_to_itself(rendered: Rendered, combination: str) -> None:
    objects = rendered(combination)
    scaled = [item["spec"]["scaleTargetRef"]["name"] for item in objects if "scaleTargetRef" in item.get("spec", {})]
    assert len(scaled) == len(set(scaled))
    for deployment in of_kind(objects, "Deployment"):
        if deployment["metadata"]["name"] in SERVICES:
            assert ("replicas" in deployment["spec"]) == (deployment["metadata"]["name"] not in scaled)


@pytest.mark.parametrize("combination", [name for name in golden.NAMES if name != "batch"])
def test_the_four_services_are_shaped_as_designed(rendered: Rendered, combination: str) -> None:
    objects = rendered(combination)
    for service in SERVICES:
        stateful = service in {"learner", "discriminator"}
        workload = only(objects, "StatefulSet" if stateful else "Deployment", service)
        spec = workload["spec"]
        assert spec["template"]["spec"]["terminationGracePeriodSeconds"] == (180 if stateful else 45)
        headless = only(objects, "Service", service)["spec"]
        assert headless["clusterIP"] == "None"
        assert headless.get("publishNotReadyAddresses", False) == (service != "renderer")
        if stateful:
            assert spec["replicas"] == 1
            assert spec["podManagementPolicy"] == "Parallel"
            assert spec["persistentVolumeClaimRetentionPolicy"] == {"whenDeleted": "Retain", "whenScaled": "Retain"}
            assert spec["volumeClaimTemplates"][0]["spec"]["accessModes"] == ["ReadWriteOnce"]
        else:
            assert spec["template"]["spec"]["topologySpreadConstraints"][0]["whenUnsatisfiable"] == "ScheduleAnyway"
            assert only(objects, "PodDisruptionBudget", service)["spec"]["maxUnavailable"] == "25%"


def test_the_default_needs_nothing_installed(rendered: Rendered) -> None:
    objects = rendered("root")
    kinds = {"Namespace", "ServiceAccount", "ConfigMap", "Service", "PodDisruptionBudget", "Deployment", "StatefulSet"}
    assert {item["kind"] for item in objects} == kinds
    assert rights(objects) == []
    assert "nvidia.com" not in json.dumps(objects)


def test_the_default_learns_what_the_demo_learns() -> None:
    config = load_config(str(K8S / "base" / "config" / "run.yaml"))
    assert config == load_config("demo").model_copy(update={"preset": ""})
    assert config.data == "mnist-sample"
    assert parse_config(yaml.safe_load(config.to_yaml()), "every key") == config
    assert set(yaml.safe_load(config.to_yaml())) == set(RunConfig.model_fields)


def test_base_can_be_deleted_without_the_claims(rendered: Rendered) -> None:
    kept = [item for item in rendered("root") if item["kind"] in {"Namespace", "PersistentVolumeClaim"}]
    assert [name(item) for item in kept] == ["Namespace/spiral"]
    for file in (K8S / "base").rglob("*.yaml"):
        assert "kind: Namespace" not in file.read_text()


def test_the_pod_that_reads_the_batch_claim_fits(rendered: Rendered) -> None:
    reader = yaml.safe_load((K8S / "overlays" / "batch" / "reader.yaml").read_text())
    objects = [*rendered("batch"), reader]
    for version in KUBERNETES:
        kubernetes_validate.validate(reader, version, strict=True)
    (pod,) = [pod for pod in pods(objects) if pod.name == "Pod/reader"]
    assert [*violations(pod), *carelessness(pod, objects), *dangling(objects)] == []
    assert pod.containers[0]["image"] == f"spiral-learner:{VERSION}"


@pytest.mark.parametrize(
    "folder", [*(f"components/{c}" for c in COMPONENTS if "/" not in c), *map("overlays/{}".format, golden.OVERLAYS)]
)
def test_what_can_be_chosen_is_explained(folder: str) -> None:
    text = (K8S / folder / "README.md").read_text()
    assert all(f"\n## {part}" in text for part in ("What", "Why", "How")), "what, why, how"
    assert folder in text, "the command with its own path"


def test_the_menu_of_the_root_names_every_component() -> None:
    text = (K8S / "kustomization.yaml").read_text()
    for component in COMPONENTS:
        if "/" not in component:
            assert f"#   - components/{component} " in text, component
