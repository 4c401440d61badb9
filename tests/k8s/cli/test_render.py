"""An overlay with the user's values builds, and has them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.k8s.api.objects import BASE
from tests.k8s.cli.conftest import K8s


def test_an_overlay_builds_with_the_values(k8s: K8s, tmp_path: Path) -> None:
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed: overlays can't be built")
    words = ["--registry", "r.example/x", "--tag", "9", "--actors", "5", "--preset", "demo", "--set", "learner.reuse=3"]
    k8s("render", "--out", str(tmp_path), "--manifests", str(BASE.parent), *words, "--storage-class", "fast")
    built = subprocess.run(["kubectl", "kustomize", tmp_path], capture_output=True, text=True, check=True).stdout
    found = {(item["kind"], item["metadata"]["name"]): item for item in yaml.safe_load_all(built)}
    actor, learner = found["Deployment", "actor"]["spec"], found["StatefulSet", "learner"]["spec"]
    assert actor["replicas"] == 5
    assert actor["template"]["spec"]["containers"][0]["image"] == "r.example/x/spiral-actor:9"
    assert learner["volumeClaimTemplates"][0]["spec"]["storageClassName"] == "fast"
    run = next(item for (kind, name), item in found.items() if kind == "ConfigMap" and name.startswith("run-"))
    assert yaml.safe_load(run["data"]["run.yaml"])["learner"]["reuse"] == 3


def test_what_makes_no_sense_is_refused(refused: K8s, tmp_path: Path) -> None:
    out = ("--out", str(tmp_path / "o"))
    assert "has no base/kustomization.yaml" in refused("render", *out, "--manifests", str(tmp_path))
    assert '"two" is unknown' in refused("render", *out, "--manifests", str(BASE.parent), "--gpu", "two")
    typed = ("--preset", "demo", "--set", "data=folder:pics")
    assert "data: pics is a relative path" in refused("render", *out, "--manifests", str(BASE.parent), *typed)
    assert not (tmp_path / "o").exists()
