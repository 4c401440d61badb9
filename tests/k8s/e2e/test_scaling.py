"""Pods of renderers and actors come and go: streams spread, what is lost is counted, who waits says for whom."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from cluster.cluster import Cluster
from cluster.pod import Pod
from cluster.scrape import total
from tests.k8s.e2e.learning import NEW_RENDERER_S, all_paint, learnt, renderers, until_learning, waiting_for
from tests.k8s.e2e.manifests_of_the_project import SMALL, project, single, with_environment, with_run

pytestmark = [pytest.mark.timeout(900), pytest.mark.slow]

BATCH, GROUPS = 16, 2
"""Canvases of a stream in ``SMALL``, and streams of the one actor."""
QUESTIONS = 8
"""DNS queries, by the actor and others: two at a time, at most every half minute, so this is a minute or so."""
PAUSE = "waiting for the renderer"


@contextmanager
def no_pause(cluster: Cluster) -> Iterator[None]:
    """Nobody paints less for want of a renderer: the actor logs every wait for one of ten seconds."""
    before = cluster.log("actor").count(PAUSE)
    yield
    said = cluster.log("actor")
    assert said.count(PAUSE) == before, said[-4000:]
    assert "no answer from the renderer within" not in said, "and none had to be given up for its silence"


@pytest.fixture(scope="module")
def learning(cluster: Cluster) -> Cluster:
    """A small run with one pod of each kind; streams are short, for connections and names set the pace."""
    cluster.apply(with_environment(single(with_run(project(), SMALL)), "actor", SPIRAL_STREAM_LIFE_S="4"))
    until_learning(cluster)
    return cluster


def painted(cluster: Cluster) -> float:
    return total(cluster.pods("actor"), "spiral_actor_frames_total")


def lost(cluster: Cluster, **labels: str) -> float:
    return total(cluster.pods("actor"), "spiral_actor_episodes_lost_total", **labels)


def streams(*pods: Pod) -> float:
    return total(pods, "spiral_renderer_streams")


def test_new_renderers_receive_streams_and_those_that_go_in_order_lose_nothing(learning: Cluster) -> None:
    with no_pause(learning):
        learning.scale("renderer", 3)
        learning.until(lambda: learning.ready("renderer"), "three renderers")
        learning.until(lambda: all_paint(learning), "every renderer to have painted", patience_s=NEW_RENDERER_S)
        learning.scale("renderer", 1)
        learning.until(lambda: learning.ready("renderer"), "one renderer")
        frames = painted(learning)
        learning.until(lambda: painted(learning) > frames, "painting to go on")
    assert lost(learning) == 0, "a renderer that is asked to end lets the episodes on it end"
    assert learning.pod("actor").restarts == 0


def test_a_renderer_that_is_killed_costs_the_episodes_on_it_and_they_are_counted(learning: Cluster) -> None:
    learning.scale("renderer", 2)
    learning.until(lambda: learning.ready("renderer") and all_paint(learning), "two that paint")
    with no_pause(learning):
        counted = False
        while not counted:  # a group may be between two episodes at that moment, but not again and again
            victim = learning.until(lambda: next((p for p in renderers(learning) if streams(p)), None), "a stream")
            others = [pod for pod in renderers(learning) if pod is not victim]
            running = victim.container().running
            assert running is not None
            before, restarts = lost(learning), victim.restarts
            # While it stands still no stream begins or ends on it, so those that are elsewhere are not on it.
            running.signal_all(signal.SIGSTOP)
            at_stake = (GROUPS - streams(*others)) * BATCH
            running.signal(signal.SIGKILL)
            learning.until(lambda victim=victim, restarts=restarts: victim.restarts > restarts, "its restart")
            frames = painted(learning)
            learning.until(lambda frames=frames: painted(learning) > frames, "painting to go on")
            assert lost(learning) - before <= at_stake
            counted = lost(learning) > before
            learning.until(lambda: all_paint(learning), "the killed one to be in use again: one has to be left")
    assert lost(learning) == lost(learning, reason="renderer")
    assert learning.pod("actor").restarts == 0


def test_names_that_resolve_to_nothing_stop_nobody_who_has_found_the_others(learning: Cluster) -> None:
    with no_pause(learning):
        missing, asked = lost(learning), learning.names.asked
        learning.names.silent.set()
        try:
            # Connections end by age, and each end is a question: by then those that stood at the beginning are gone.
            learning.until(lambda: learning.names.asked > asked + QUESTIONS, "names to be asked for in vain")
            frames, updates = painted(learning), learnt(learning)
            learning.until(lambda: painted(learning) > frames and learnt(learning) > updates, "all to go on")
        finally:
            learning.names.silent.clear()
    assert lost(learning) == missing


def test_without_actors_the_learner_waits_and_says_so_and_goes_on_with_new_ones(learning: Cluster) -> None:
    learner = learning.pod("learner")
    learning.scale("actor", 0)
    learning.until(lambda: not learning.pods("actor"), "all actors to end")
    until_it_says_that_it_waits(learning, learner)
    assert learning.ready("learner"), "who waits can still answer"
    learning.scale("actor", 2)
    until_learning(learning)
    assert learning.pod("learner") is learner
    assert learner.restarts == 0


def test_without_renderers_actors_wait_for_them_and_the_learner_for_actors(learning: Cluster) -> None:
    learning.scale("actor", 1)
    learning.until(lambda: learning.ready("actor"), "one actor")
    learner, actor = learning.pod("learner"), learning.pod("actor")
    learning.scale("renderer", 0)
    learning.until(lambda: not learning.pods("renderer"), "all renderers to end")
    until_it_says_that_it_waits(learning, learner)
    learning.until(lambda: waiting_for(actor) == ["renderer"], "the actor to say whom it waits for")
    learning.until(lambda: PAUSE in learning.log("actor"), "a line in the actor's log")
    learning.scale("renderer", 2)
    learning.until(lambda: learning.ready("renderer"), "two renderers")
    learning.until(
        lambda: all(streams(pod) for pod in renderers(learning)), "streams on both", patience_s=NEW_RENDERER_S
    )
    until_learning(learning)
    assert learning.pod("actor") is actor
    assert actor.restarts == learner.restarts == 0


def until_it_says_that_it_waits(cluster: Cluster, learner: Pod) -> None:
    """Wait until the actor says so in GetInfo, in its metric and in its log."""
    cluster.until(lambda: waiting_for(learner) == ["actor"], "the learner to say whom it waits for")
    lines = cluster.log("learner").count("waiting for the actor")
    waited = total([learner], "spiral_learner_wait_seconds_total", peer="actor")
    cluster.until(lambda: cluster.log("learner").count("waiting for the actor") > lines, "a line in the learner's log")
    assert total([learner], "spiral_learner_wait_seconds_total", peer="actor") > waited
