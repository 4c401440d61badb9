"""An overlay with the user's values builds, and has them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.k8s.api.objects import BASE
from tests.k8s.cli.conftest import K8s

WORKLOADS = [
    ("Deployment", "renderer"),
    ("Deployment", "actor"),
    ("StatefulSet", "learner"),
    ("StatefulSet", "discriminator"),
]


def test_an_overlay_builds_with_the_values(k8s: K8s, tmp_path: Path) -> None:
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed: overlays can't be built")
    words = ["--registry", "r.example/x", "--tag", "9", "--actors", "5", "--preset", "demo", "--set", "learner.reuse=3"]
    k8s(
        "render",
        "--out",
        str(tmp_path),
        "--manifests",
        str(BASE.parent),
        *words,
        "--storage-class",
        "fast",
        "--cpu-limits",
    )
    built = subprocess.run(["kubectl", "kustomize", tmp_path], capture_output=True, text=True, check=True).stdout
    found = {(item["kind"], item["metadata"]["name"]): item for item in yaml.safe_load_all(built)}
    actor, learner = found["Deployment", "actor"]["spec"], found["StatefulSet", "learner"]["spec"]
    assert actor["replicas"] == 5
    assert actor["template"]["spec"]["containers"][0]["image"] == "r.example/x/spiral-actor:9"
    assert learner["volumeClaimTemplates"][0]["spec"]["storageClassName"] == "fast"
    limits = [found[key]["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"] for key in WORKLOADS]
    assert [limit.get("cpu") for limit in limits] == ["1", "1", "2", "1"]
    run = next(item for (kind, name), item in found.items() if kind == "ConfigMap" and name.startswith("run-"))
    assert yaml.safe_load(run["data"]["run.yaml"])["learner"]["reuse"] == 3


def test_what_makes_no_sense_is_refused(refused: K8s, tmp_path: Path) -> None:
    out = ("--out", str(tmp_path / "o"))
    assert "has no base/kustomization.yaml" in refused("render", *out, "--manifests", str(tmp_path))
    assert '"two" is unknown' in refused("render", *out, "--manifests", str(BASE.parent), "--gpu", "two")
    typed = ("--preset", "demo", "--set", "data=folder:pics")
    assert "data: pics is a relative path" in refused("render", *out, "--manifests", str(BASE.parent), *typed)
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ("data=folder:/home/you/pictures", "data: /home/you/pictures is not in the pods; put the pictures on the"),
        ("data=folder:/var/lib/spiral", "data: /var/lib/spiral is not in the pods"),
        ("data=mnits", 'data: "mnits" is unknown; did you mean mnist?'),
        ("engine.settings.brush=classic/pne", "closest: classic/pen"),
        ("engine.settings.brush=/home/you/own.myb", "is a file, and renderers have those of their image alone"),
    ],
)
def test_what_pods_can_not_have_is_refused(refused: K8s, tmp_path: Path, setting: str, sentence: str) -> None:
    out = tmp_path / "o"
    typed = ("--preset", "demo", "--set", setting)
    assert sentence in refused("render", "--out", str(out), "--manifests", str(BASE.parent), *typed)
    assert not out.exists()


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ("data=mnist", "data: mnist is not in the images; it has to be at /var/lib/spiral/data/mnist on the"),
        ("data=folder:/var/lib/spiral/data/pictures", "data: the pictures have to be at /var/lib/spiral/data/pictures"),
        (
            "policy.network=my_package.networks:Mine",
            "must be installed in the images of actor and learner; the project's own do not have it",
        ),
        ("learner.reuse=3", ""),
    ],
)
def test_what_has_to_be_put_into_pods_is_told(k8s: K8s, tmp_path: Path, setting: str, sentence: str) -> None:
    typed = ("--preset", "demo", "--set", setting)
    said = k8s("render", "--out", str(tmp_path), "--manifests", str(BASE.parent), *typed)
    assert sentence in said
    assert ("before it is applied" in said) == bool(sentence)
    assert (tmp_path / "kustomization.yaml").is_file()
