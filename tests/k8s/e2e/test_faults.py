"""What befalls pods in a cluster: deleted, killed, drained, without names. The run goes on by itself."""

from __future__ import annotations

import signal

import pytest

from cluster.cluster import Cluster
from cluster.scrape import total
from tests.k8s.e2e.learning import WORKLOADS, generation, until_learning
from tests.k8s.e2e.manifests_of_the_project import SMALL, project, single, with_run
from tests.k8s.e2e.volumes import checkpoints

pytestmark = [pytest.mark.timeout(900), pytest.mark.slow]


@pytest.fixture(scope="module")
def learning(cluster: Cluster) -> Cluster:
    """A small run with one pod of each kind, which has learned something and written a checkpoint."""
    cluster.apply(single(with_run(project(), SMALL)))
    until_learning(cluster)
    cluster.until(lambda: checkpoints(cluster, "learner"), "the learner's first checkpoint")
    return cluster


@pytest.mark.parametrize("name", WORKLOADS)
def test_a_deleted_pod_is_replaced_and_learning_goes_on(learning: Cluster, name: str) -> None:
    gone, others = (
        learning.pod(name),
        {pod.uid: pod.restarts for pod in learning.pods() if pod.template.owner.name != name},
    )
    gone.delete()
    learning.until(lambda: gone.gone, f"{name} to end")
    ended = gone.container().ended
    assert ended is not None
    assert ended.code == 0, "SIGTERM ends it in order, within its grace period"
    until_learning(learning)
    left = {pod.uid: pod.restarts for pod in learning.pods() if pod.template.owner.name != name}
    assert left == others, "nobody else was restarted over it"


def test_a_learner_that_is_killed_goes_on_from_its_checkpoint(learning: Cluster) -> None:
    before, pod = generation(learning), learning.pod("learner")
    running = pod.container().running
    assert running is not None
    running.signal(signal.SIGKILL)
    learning.until(lambda: pod.restarts >= 1, "its restart")
    until_learning(learning)
    ended = pod.container().ended
    assert ended is not None
    assert ended.code == 128 + signal.SIGKILL
    assert learning.pod("learner") is pod, "the container is restarted, not the pod"
    assert generation(learning) == before + 1
    assert total(learning.pods("learner"), "spiral_learner_frames_total") > 0


def test_an_actor_that_starts_while_no_name_resolves_paints_when_names_are_back(learning: Cluster) -> None:
    gone = learning.pod("actor")
    learning.names.silent.set()
    try:
        gone.delete()
        learning.until(lambda: gone.gone and learning.ready("actor"), "another actor")
        asked = learning.names.asked
        learning.until(lambda: learning.names.asked > asked + 3, "it to ask for names in vain")
        assert learning.pod("actor").restarts == 0, "it waits and stays alive"
    finally:
        learning.names.silent.clear()
    until_learning(learning)


def test_a_drained_node_loses_nothing_that_was_promised(learning: Cluster) -> None:
    before, old = generation(learning), learning.pods()
    learning.drain()
    learning.until(lambda: all(pod.gone for pod in old), "all pods to end")
    learner = next(pod for pod in old if pod.template.owner.name == "learner").container().ended
    assert learner is not None
    assert learner.code == 0, "its checkpoint was written within the grace period"
    until_learning(learning)
    assert generation(learning) == before + 1
