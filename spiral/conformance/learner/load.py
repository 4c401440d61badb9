"""How many trajectories and weights a learner bears."""

from __future__ import annotations

import time
from contextlib import ExitStack

import numpy as np

from spiral.conformance.case import case
from spiral.conformance.learner.subject import LearnerTarget, accepted

ACTORS, ROUND_S = (1, 2, 4, 8), 2.0


@case("learner", "load", "extended")
def growing_crowds_of_actors_are_served(learner: LearnerTarget) -> None:
    """For any number of actors, every trajectory against a credit is accepted.

    Lets 1, 2, 4 and 8 actors take turns to send what their credits allow, for 2 s each. None may be refused. The case
    measures p50 and p99 from a trajectory to its answer, and trajectories per second. Only with ``--load``.
    """
    for count in ACTORS:
        durations: list[float] = []
        with ExitStack() as stack:
            actors = [stack.enter_context(learner.welcomed()) for _ in range(count)]
            start, end = time.monotonic(), time.monotonic() + ROUND_S
            while time.monotonic() < end or not durations:
                for number, actor in enumerate(actors):
                    if not actor.credits:
                        actor.next(0.001)
                        continue
                    frames = actor.frames(learner.task.trajectory(200 + number))
                    start_s = time.monotonic()
                    accepted(actor.ask(frames), "a trajectory against a credit")
                    durations.append(time.monotonic() - start_s)
        median, tail = np.percentile(durations, (50, 99)) * 1000
        learner.measurements.append(
            {
                "actors": count,
                "p50_ms": round(float(median), 3),
                "p99_ms": round(float(tail), 3),
                "trajectories_per_s": round(len(durations) / (time.monotonic() - start), 1),
            }
        )
