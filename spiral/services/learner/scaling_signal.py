"""The signal that autoscalers follow: how many actors the learner could keep busy (``spiral_learner_actor_demand``).

An actor that waits for a credit is one too many. If such actors counted, the learner would always ask for at least as
many as it has, and no autoscaler would ever remove one.
"""

from __future__ import annotations

MOST_IDLE = 0.9
"""The demand for actors grows at most tenfold at a time: an extrapolation from a share near 1 is mostly noise."""


def actor_demand(actors: int, painting: float, starved: float, most: float) -> float:
    """How many actors the learner could keep busy, 1 to ``most``, the number that it has slots for.

    ``actors`` are connected. ``painting`` of them would be enough if they painted all the time, because an actor that
    waits for a credit does not paint. ``starved`` is the share of its time that the learner waits for trajectories.
    """
    starved = min(starved, MOST_IDLE)
    # While the learner waits, the actors are at work even if nothing has arrived: long episodes are rare.
    at_work = max(starved * actors, min(painting, actors))
    # If these keep the learner busy for a share s of its time, 1/s as many would keep it busy all the time.
    return max(1.0, min(at_work / (1 - starved), most))
