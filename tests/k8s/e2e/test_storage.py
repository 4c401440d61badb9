"""Claims that can't be written to, and claims that are full: a sentence, nothing lost, and the run goes on."""

from __future__ import annotations

import copy
import signal

import pytest

from cluster.cluster import Cluster
from cluster.container import Ended
from cluster.manifests import Object
from cluster.scrape import total
from spiral.runs.checkpoints import read_latest
from tests.k8s.e2e.learning import generation, learnt, until_learning
from tests.k8s.e2e.manifests_of_the_project import SMALL, project, single, with_run
from tests.k8s.e2e.volumes import checkpoints, claim, counters, full, resumed, store

pytestmark = [pytest.mark.timeout(1800), pytest.mark.slow]

SIZE_BYTES = 64 << 20
"""Size of each claim: room for the checkpoints and samples of a small run."""
KEEPERS = ("learner", "discriminator")


def without_rights(items: list[Object]) -> list[Object]:
    """The same without the group that may write to the claims."""
    items = copy.deepcopy(items)
    for item in items:
        if item["kind"] == "StatefulSet":
            del item["spec"]["template"]["spec"]["securityContext"]["fsGroup"]
    return items


@pytest.fixture(scope="module")
def small(cluster: Cluster) -> list[Object]:
    """The manifests of a small run, whose claims have little room."""
    for service in KEEPERS:
        cluster.claims.limit("spiral", f"state-{service}-0", SIZE_BYTES)
    return single(with_run(project(), SMALL))


@pytest.fixture(scope="module")
def learning(cluster: Cluster, small: list[Object]) -> Cluster:
    """A small run with a checkpoint of both."""
    cluster.apply(small)
    until_learning(cluster)
    for service in KEEPERS:
        cluster.until(lambda service=service: checkpoints(cluster, service), f"a checkpoint of the {service}")
    return cluster


def ended(cluster: Cluster, service: str) -> Ended | None:
    """How the service's container last ended, if it has."""
    return next((pod.container().ended for pod in cluster.pods(service) if pod.containers), None)


def test_a_claim_that_belongs_to_root_is_a_sentence_and_no_stack_trace(cluster: Cluster, small: list[Object]) -> None:
    cluster.apply(without_rights(small))
    for service in KEEPERS:
        end = cluster.until(lambda service=service: ended(cluster, service), f"{service} to end")
        assert end.code == 2
        assert end.message.startswith(f"{service}: ")
        assert "Permission denied" in end.message
        assert "/var/lib/spiral" in end.message
        assert "Traceback" not in end.message


def test_a_volume_that_fills_up_costs_no_checkpoint_and_no_learning(learning: Cluster) -> None:
    before = {service: checkpoints(learning, service)[-1].name for service in KEEPERS}
    said = {service: learning.log(service).count("No space left on device") for service in KEEPERS}
    restarts = {service: learning.pod(service).restarts for service in KEEPERS}
    with full(claim(learning, "learner")) as learners, full(claim(learning, "discriminator")) as discriminators:

        def complained(service: str) -> bool:
            learners()  # whoever was removing an old checkpoint at that moment has made room for a new one
            discriminators()
            return learning.log(service).count("No space left on device") > said[service]

        for service in KEEPERS:
            learning.until(lambda service=service: complained(service), f"the {service} to say that there is no room")
        frames = learnt(learning)
        learning.until(lambda: learnt(learning) > frames, "learning to go on")
        for service in KEEPERS:
            whole = read_latest(store(learning, service))
            assert whole is not None
            assert whole.skipped == (), "the newest one is whole"
            assert whole.path.name >= before[service]
            before[service] = whole.path.name
    for service in KEEPERS:
        learning.until(
            lambda service=service: checkpoints(learning, service)[-1].name > before[service],
            f"another checkpoint of the {service}, now that there is room",
        )
        assert learning.pod(service).restarts == restarts[service]


def test_a_learner_that_starts_on_a_full_volume_says_so_until_there_is_room_and_goes_on(learning: Cluster) -> None:
    pod, born = learning.pod("learner"), generation(learning)
    with full(claim(learning, "learner")):
        running = pod.container().running
        assert running is not None
        running.signal(signal.SIGKILL)
        end = learning.until(
            lambda: (ended := pod.container().ended) and ended.code == 2 and ended, "it to refuse to start"
        )
        assert end.message.startswith("learner: ")
        assert "No space left on device" in end.message
        newest = checkpoints(learning, "learner")[-1]
        frames = counters(newest)["frames"]
    until_learning(learning)
    assert resumed(learning)[int(born) + 1] == (newest.name, frames)
    assert total(learning.pods("learner"), "spiral_learner_generation") == born + 1, "no start in vain raised it"
