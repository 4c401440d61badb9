"""How much an actor paints."""

from __future__ import annotations

import time

import numpy as np

from spiral.conformance.actor.subject import ActorTarget
from spiral.conformance.case import case

CREDITS, ROUND_S = (1, 2, 4), 3.0


@case("actor", "load", "extended")
def it_paints_as_fast_as_credits_allow(actor: ActorTarget) -> None:
    """It paints as fast as credits allow.

    Grants 1, 2 and 4 credits at a time for 3 s each and answers at once. The case measures p50 and p99 of the time that
    painting a trajectory took, as its header says, and frames per second. Only with ``--load``.
    """
    learner = actor.learner
    for credits in CREDITS:
        if credits > 1:
            learner.grant(credits // 2)
        start, since = time.monotonic(), len(learner.delivered)
        actor.more(2)
        while time.monotonic() - start < ROUND_S:
            time.sleep(0.05)
        delivered = learner.delivered[since:]
        took = time.monotonic() - start
        frames = sum(actor.batch_of(each) * actor.task.contract.length for each in delivered)
        median, tail = np.percentile([each.header.duration_s for each in delivered], (50, 99)) * 1000
        actor.measurements.append(
            {
                "credits": credits,
                "p50_ms": round(float(median), 3),
                "p99_ms": round(float(tail), 3),
                "frames_per_s": round(frames / took, 1),
            }
        )
