"""Two runs in one namespace: both learn, and each learner has its own actors alone."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from cluster.cluster import Cluster
from cluster.manifests import render
from cluster.scrape import total
from spiral.kubernetes.rendering import Values, write_overlay
from tests.k8s.e2e.manifests_of_the_project import K8S, SMALL, project, single, with_run

pytestmark = [pytest.mark.timeout(900), pytest.mark.slow]


def test_two_runs_in_one_namespace_learn_beside_each_other(cluster: Cluster, tmp_path: Path) -> None:
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed: overlays can't be built")
    write_overlay(K8S, tmp_path / "second", Values(instance="second"))
    second = [item for item in render(tmp_path / "second") if item["kind"] != "Namespace"]
    cluster.apply([*single(with_run(project(), SMALL)), *single(with_run(second, SMALL))])
    for learner in ("learner", "second-learner"):
        cluster.until(
            lambda learner=learner: total(cluster.pods(learner), "spiral_learner_frames_total") > 0,
            f"{learner} to learn",
        )
        assert total(cluster.pods(learner), "spiral_learner_actors") == 1
    assert sum(pod.restarts for pod in cluster.pods()) == 0
