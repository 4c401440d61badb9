"""Episodes that are cut into unrolls, where the run has such."""

from __future__ import annotations

import dataclasses

import numpy as np

from spiral.conformance.case import case, require
from spiral.conformance.learner.delivery import until_scored
from spiral.conformance.learner.subject import LearnerTarget, accepted, refused
from spiral.conformance.learner.trajectories import still_accepts
from spiral.v1.trajectory_pb2 import REASON_VALUE
from spiral.values.trajectories import last_start


@case("learner", "validation")
def unrolls_that_are_cut_wrongly_are_refused(learner: LearnerTarget) -> None:
    """Unrolls that are cut wrongly are refused.

    Sends unrolls of T actions of episodes of N whose ``first_step`` is −T, 1, and the first multiple of T that is not
    below N; with actions of −1 in ``earlier``; and with NaN in ``state``, if there is one. Each must be refused with
    REASON_VALUE. Skipped if the run's episodes are not cut.
    """
    task = learner.task
    task.needs_cut()
    right, length = task.trajectory(55), task.contract.length
    wrong = {}
    for start in (-length, 1, last_start(task.contract.num_actions, length) + length):
        first_step = np.array([0] * (task.batch - 1) + [start], np.int32)
        wrong[f"first_step {start}"] = dataclasses.replace(right, first_step=first_step)
    earlier = np.full_like(right.earlier, -1)
    wrong["earlier of -1"] = dataclasses.replace(right, earlier=earlier)
    if right.state is not None:
        wrong["state of NaN"] = dataclasses.replace(right, state=np.full_like(right.state, np.nan))
    with learner.welcomed() as actor:
        for what, unroll in wrong.items():
            refused(actor.deliver(actor.frames(unroll)), REASON_VALUE, what)
        still_accepts(learner, actor)


@case("learner", "semantics")
def episodes_that_end_are_told_from_those_that_go_on(learner: LearnerTarget) -> None:
    """The learner says which unrolls of a batch end their episodes, wherever they are.

    Sends unrolls of every part of an episode, mixed within a trajectory, until all have been scored. ``endings`` of
    each batch must name exactly the places of those that end their episodes, and newer weights must come. Skipped if
    the run's episodes are not cut.
    """
    task = learner.task
    task.needs_cut()
    last, length = last_start(task.contract.num_actions, task.contract.length), task.contract.length
    starts = list(range(0, last + 1, length))
    sent: list[tuple[int, np.ndarray]] = []
    with learner.welcomed() as actor:
        before = learner.version
        for turn in range(len(starts)):
            first_step = [starts[(turn + episode) % len(starts)] for episode in range(task.batch)]
            unrolls = task.trajectory(60 + turn, first_step)
            accepted(actor.deliver(actor.frames(unrolls)), f"unrolls after {first_step} actions")
            sent += zip(first_step, unrolls.observations.swapaxes(0, 1), strict=True)
        until_scored(learner, actor, 56)
        learner.await_learning(before, actor, 57)
    found = 0
    for asked in list(learner.discriminator.asked):
        ends = asked.ends
        for start, observations in sent:
            for place in asked.places_of(observations):
                found += 1
                require(
                    (place in ends) == (start == last),
                    f"an unroll after {start} of {task.contract.num_actions} actions is at {place}, endings are {ends}",
                )
    require(found >= len(sent), f"{found} of {len(sent)} unrolls were scored")
