"""The overlay ``batch``: a bounded run as one Job, which ends by itself."""

from __future__ import annotations

import copy

import pytest

from cluster.cluster import Cluster
from cluster.manifests import Object
from tests.k8s.e2e.manifests_of_the_project import SMALL, project, setting, with_run

pytestmark = [pytest.mark.timeout(900), pytest.mark.slow]


def short(items: list[Object]) -> list[Object]:
    """The same, over after a few batches."""
    items = copy.deepcopy(items)
    (job,) = (item for item in items if item["kind"] == "Job")
    for variable in job["spec"]["template"]["spec"]["containers"][0]["env"]:
        if variable["name"] == "SPIRAL_LIMIT_FRAMES":
            variable["value"] = "3000"
    return items


def test_it_succeeds_and_leaves_samples_and_a_checkpoint_on_its_claim(cluster: Cluster) -> None:
    items = short(with_run(project("overlays/batch"), SMALL))
    cluster.apply(items)
    cluster.until(lambda: cluster.job("batch"), "the Job to end", patience_s=400)
    (pod,) = cluster.pods("batch")
    assert (cluster.job("batch"), pod.phase) == ("Complete", "Succeeded")
    claim = cluster.claims.path("spiral", "batch")
    assert list(claim.rglob("checkpoint-*"))
    assert list(claim.rglob("samples/*"))
    cluster.delete(items)
    cluster.until(lambda: not cluster.pods(), "the namespace to be empty")


def test_a_wrong_value_fails_it_at_once_and_not_seven_times(cluster: Cluster) -> None:
    cluster.apply(with_run(project("overlays/batch"), setting("learner.reuse", "twice")))
    cluster.until(lambda: cluster.job("batch"), "the Job to end")
    (pod,) = cluster.pods("batch")
    ended = pod.container("learner").ended
    assert cluster.job("batch") == "Failed"
    assert ended is not None
    assert ended.code == 2
    assert "learner.reuse" in ended.message
