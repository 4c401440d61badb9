"""Learners that are cut off at the worst moment: what follows goes on from a whole checkpoint, as a new generation."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import pytest

from cluster.cluster import Cluster
from cluster.container import Running
from cluster.pod import Pod
from cluster.scrape import total
from tests.k8s.e2e.learning import generation, until_learning
from tests.k8s.e2e.manifests_of_the_project import SMALL, project, settings, single, with_environment, with_run
from tests.k8s.e2e.volumes import checkpoints, counters, resumed, store

pytestmark = [pytest.mark.timeout(1800), pytest.mark.slow]

BATCH, ACTIONS = 16, 6
"""Canvases of the one stream, and steps of its episodes."""
GRACE_S = 3.0
"""Grace period of a learner that would never end by itself."""


@pytest.fixture(scope="module")
def learning(cluster: Cluster) -> Cluster:
    """A small run with one group of canvases, whose actor is in no hurry to give a renderer up."""
    run = with_run(with_run(project(), SMALL), settings({"actor.groups": 1, "learner.keep": 10}))
    cluster.apply(with_environment(single(run), "actor", SPIRAL_WATCHDOG_S="600"))
    until_learning(cluster)
    cluster.until(
        lambda: len({counters(one)["frames"] for one in checkpoints(cluster, "learner")[-4:]}) >= 2,
        "checkpoints of the learner with different frames",
    )
    return cluster


def process(pod: Pod) -> Running:
    running = pod.container().running
    assert running is not None
    return running


def painted(cluster: Cluster) -> float:
    return total(cluster.pods("actor"), "spiral_actor_frames_total")


def lost(cluster: Cluster, reason: str) -> float:
    return total(cluster.pods("actor"), "spiral_actor_episodes_lost_total", reason=reason)


def remove_newest(cluster: Cluster) -> Path:
    """Remove the learner's newest checkpoints, as many as have the same frames; the one that is the newest now."""
    *others, newest = checkpoints(cluster, "learner")
    frames = counters(newest)["frames"]
    shutil.rmtree(newest)
    while counters(others[-1])["frames"] == frames:
        shutil.rmtree(others.pop())
    return others[-1]


def freeze_within_an_episode(cluster: Cluster) -> Running:
    """Stop the renderer where the actor has painted part of an episode; the renderer's process."""
    renderer = process(cluster.pod("renderer"))

    def frozen() -> bool:
        renderer.signal_all(signal.SIGSTOP)
        frames = -1.0
        while frames != (frames := painted(cluster)):  # the answer to the last step may still be on its way
            pass
        if frames % (BATCH * ACTIONS):
            return True
        renderer.signal_all(signal.SIGCONT)
        return False

    cluster.until(frozen, "an episode to be under way")
    return renderer


def test_on_an_older_checkpoint_the_generation_rises_and_what_old_weights_painted_is_dropped(learning: Cluster) -> None:
    actor, born, dropped = learning.pod("actor"), generation(learning), lost(learning, "generation")
    renderer = freeze_within_an_episode(learning)
    try:
        learning.scale("learner", 0)
        learning.until(lambda: not learning.pods("learner"), "the learner to end")
    finally:
        renderer.signal_all(signal.SIGCONT)
    older = remove_newest(learning)
    frames = counters(older)["frames"]
    learning.scale("learner", 1)
    until_learning(learning)
    assert generation(learning) == born + 1
    assert resumed(learning)[int(born) + 1] == (older.name, frames)
    learning.until(
        lambda: total([actor], "spiral_actor_weights_generation") == born + 1, "the actor to have the new weights"
    )
    # Those that were under way; and whatever was begun before the new weights had arrived.
    assert lost(learning, "generation") >= dropped + BATCH
    assert (lost(learning, "generation") - dropped) % BATCH == 0
    assert total(learning.pods("learner"), "spiral_learner_refused_total", reason="generation") == 0
    assert learning.pod("actor") is actor
    assert actor.restarts == 0


def test_a_learner_killed_while_it_writes_a_checkpoint_goes_on_from_the_one_before(learning: Cluster) -> None:
    pod, folder = learning.pod("learner"), store(learning, "learner")
    killed_while_writing = False
    while not killed_while_writing:  # it may have been quicker
        born, restarts, running = generation(learning), pod.restarts, process(pod)
        learning.until(lambda folder=folder: begun_to_write(folder), "it to write a checkpoint")
        running.signal(signal.SIGKILL)
        learning.until(lambda running=running: running.poll() is not None, "its end")
        left = writing(folder)
        killed_while_writing = bool(left)
        newest = checkpoints(learning, "learner")[-1]
        frames = counters(newest)["frames"]
        learning.until(lambda restarts=restarts: pod.restarts > restarts, "its restart")
        until_learning(learning)
        assert resumed(learning)[int(born) + 1] == (newest.name, frames)
        assert generation(learning) == born + 1
    learning.until(lambda: not left & writing(folder), "what was left of it to be removed")


def writing(folder: os.PathLike[str]) -> set[tuple[str, int]]:
    """Checkpoints that are not whole yet, or never will be: names, which may be used again, and inodes."""
    with os.scandir(folder) as entries:
        return {(entry.name, entry.inode()) for entry in entries if entry.name.startswith("writing-0")}


def begun_to_write(folder: os.PathLike[str]) -> bool:
    """Look often, for a moment, whether a checkpoint is being written: it takes a few hundredths of a second."""
    return any(writing(folder) for _ in range(10_000))


def test_a_frozen_learner_is_killed_at_the_end_of_its_grace_period_and_its_successor_goes_on(learning: Cluster) -> None:
    born, gone = generation(learning), learning.pod("learner")
    others = {pod.uid: pod.restarts for pod in learning.pods() if pod is not gone}
    process(gone).signal_all(signal.SIGSTOP)
    newest = checkpoints(learning, "learner")[-1]
    frames = counters(newest)["frames"]
    gone.delete(grace_s=GRACE_S)
    learning.until(lambda: gone.gone, "its end")
    ended = gone.container().ended
    assert ended is not None
    assert ended.code == 128 + signal.SIGKILL
    until_learning(learning)
    assert resumed(learning)[int(born) + 1] == (newest.name, frames)
    assert generation(learning) == born + 1
    assert {pod.uid: pod.restarts for pod in learning.pods() if pod.template.owner.name != "learner"} == others
