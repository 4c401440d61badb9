"""``kubectl apply -k k8s/`` as it is in the repository, in the order in which somebody meets it."""

from __future__ import annotations

import pytest

from cluster.cluster import Cluster
from cluster.manifests import Key
from cluster.scrape import total
from tests.k8s.e2e.manifests_of_the_project import project, setting, with_run, without_namespace

pytestmark = pytest.mark.timeout(600)

WORKLOADS = ("renderer", "actor", "learner", "discriminator")


def learnt(cluster: Cluster) -> float:
    return total(cluster.pods("learner"), "spiral_learner_run_frames")


def starts(cluster: Cluster) -> dict[str, int]:
    return {pod.uid: pod.restarts for pod in cluster.pods()}


def until_learning(cluster: Cluster) -> None:
    """All are ready, and frames go up."""
    cluster.until(lambda: cluster.ready(*WORKLOADS), "all four to become ready")
    before = learnt(cluster)
    cluster.until(lambda: learnt(cluster) > before, "frames to be learned")


@pytest.fixture
def applied(cluster: Cluster) -> None:
    """The default is applied and learning; nothing is done where it is so already."""
    cluster.apply(project())
    until_learning(cluster)


def test_the_default_becomes_ready_and_learns(cluster: Cluster) -> None:
    changes = cluster.apply(project())
    assert set(changes.values()) == {"created"}
    until_learning(cluster)
    assert all(pod.restarts == 0 for pod in cluster.pods())


@pytest.mark.usefixtures("applied")
def test_a_second_apply_changes_nothing(cluster: Cluster) -> None:
    before = starts(cluster)
    changes = cluster.apply(project())
    assert set(changes.values()) == {"unchanged"}
    frames = learnt(cluster)
    cluster.until(lambda: learnt(cluster) > frames, "frames to be learned")
    assert starts(cluster) == before


@pytest.mark.usefixtures("applied")
def test_a_wrong_value_ends_pods_with_a_sentence_and_its_correction_runs(cluster: Cluster) -> None:
    generation = total(cluster.pods("learner"), "spiral_learner_generation")
    cluster.apply(with_run(project(), setting("learner.reuse", "twice")))

    def refused(name: str) -> str:
        ends = [pod.container().ended for pod in cluster.pods(name)]
        return next((end.message for end in ends if end and end.code == 2), "")

    for name in ("actor", "learner", "discriminator"):
        message = cluster.until(lambda name=name: refused(name), f"{name} to refuse the value")
        assert message.startswith(f"{name}: ")
        assert "learner.reuse" in message
        assert "'twice'" in message
        assert "Traceback" not in message
        assert "\n" not in message.strip()
    cluster.apply(project())
    until_learning(cluster)
    assert total(cluster.pods("learner"), "spiral_learner_generation") > generation


@pytest.mark.slow
@pytest.mark.usefixtures("applied")
def test_deleting_the_base_keeps_the_checkpoints_and_the_next_apply_goes_on(cluster: Cluster) -> None:
    claim = cluster.claims.path("spiral", "state-learner-0")
    frames = learnt(cluster)
    cluster.delete(without_namespace(project()))
    cluster.until(lambda: not cluster.pods(), "all pods to end")
    assert list(claim.rglob("checkpoint-*")), "the learner wrote its checkpoint before it ended"
    cluster.apply(project())
    until_learning(cluster)
    assert learnt(cluster) >= frames
    assert "resumed" in cluster.log("learner")


@pytest.mark.usefixtures("applied")
def test_deleting_the_namespace_takes_the_checkpoints_too(cluster: Cluster) -> None:
    claim = cluster.claims.path("spiral", "state-learner-0")
    assert claim.exists()
    cluster.delete(project())
    cluster.until(lambda: not cluster.pods(), "all pods to end")
    assert not claim.exists()
    assert cluster.objects.get(Key("PersistentVolumeClaim", "spiral", "state-learner-0")) is None
