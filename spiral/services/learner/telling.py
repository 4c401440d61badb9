"""Turns what the learner does into metrics."""

from __future__ import annotations

import logging
import math
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from spiral.computing.saturation import KINDS
from spiral.services.learner.run import LearningRun
from spiral.serving.metrics import Metrics
from spiral.wire.edges import SERVICES

LOG_WAIT_S = 10.0
"""A wait of this length is worth a line, and another one each time it has lasted this much longer."""

MOST_IDLE = 0.9
"""The demand for actors grows at most tenfold at a time: what a share near 1 extrapolates to is mostly noise."""

_log = logging.getLogger(__name__)


def demand(actors: int, painting: float, starved: float, most: float) -> float:
    """How many actors the learner could feed on, 1 to ``most``, for whose paintings it has places.

    ``actors`` are there, of which ``painting`` would do, were they to paint all the time: those who wait for a credit
    do not. ``starved`` is the share of its time that the learner waits for trajectories.
    """
    starved = min(starved, MOST_IDLE)
    # Whom it waits for is at work, whatever has arrived: long episodes come seldom.
    at_work = max(starved * actors, min(painting, actors))
    # Where these keep it busy for a share s of its time, 1/s as many would keep it busy altogether.
    return max(1.0, min(at_work / (1 - starved), most))


class Teller:
    """Keeps the learner's metrics, and account of whom it waits for."""

    def __init__(self, metrics: Metrics, learning: LearningRun) -> None:
        self.metrics = metrics
        self.waits: dict[str, float] = defaultdict(float)
        """Seconds waited for each peer since the last record."""
        self._learning = learning
        self._in_a_row = 0.0
        self._logged_at = 0.0
        self._told_s, self._painted_s = learning.elapsed_s, 0.0
        """When the last record was, and the seconds of painting until then."""
        metrics["spiral_learner_generation"].set(learning.generation)
        metrics["spiral_learner_lag_limit"].set(learning.config.learner.max_lag)
        for component in learning.description.spec.components:
            metrics["spiral_learner_entropy_limit"].labels(component=component.name).set(math.log(component.size))
        metrics["spiral_learner_finished"].set_function(lambda: learning.done >= 1)
        metrics["spiral_learner_checkpoint_age_seconds"].set_function(lambda: learning.unsaved_s)
        for kind in KINDS:
            saturated = metrics["spiral_learner_saturated_seconds"].labels(kind=kind)
            saturated.set_function(lambda kind=kind: learning.saturation.seconds[kind])
        metrics["spiral_learner_checkpoint_interval_seconds"].set(learning.config.learner.checkpoint_s)
        self._frames, self._updates = learning.learner.frames, learning.learner.updates
        self._count()

    def waited(self, peer: str, seconds: float, came: bool) -> None:
        """Account for a wait of ``seconds`` for ``peer``, at whose end the batch came or not."""
        self.waits[peer] += seconds
        self.metrics["spiral_learner_wait_seconds_total"].labels(peer=peer).inc(seconds)
        self._in_a_row = 0.0 if came else self._in_a_row + seconds
        if came:
            self._logged_at = 0.0
        elif self._in_a_row - self._logged_at >= LOG_WAIT_S:
            self._logged_at = self._in_a_row
            _log.warning("waiting for the %s for %.0f s", peer, self._in_a_row)

    def learnt(self, seconds: float) -> None:
        """Account for a batch that was learnt from."""
        metrics, learning = self.metrics, self._learning
        self._count()
        metrics["spiral_learner_update_seconds"].observe(seconds)
        lag = metrics["spiral_learner_policy_lag"]
        lag.labels(stat="min").set(learning.lag.least)
        lag.labels(stat="mean").set(learning.lag.mean)
        lag.labels(stat="max").set(learning.lag.most)

    def recorded(
        self, record: Mapping[str, Any] | None, actors: int, painted_s: float, most_actors: float = math.inf
    ) -> None:
        """Take over what was written into the history, if anything was.

        ``actors`` are there at present; painting what has arrived since the start took ``painted_s``, group by group.
        More than ``most_actors`` would wait for credits, however long the learner waits.
        """
        if record is None:
            return
        metrics = self.metrics
        for component, nats in record["entropy"].items():
            metrics["spiral_learner_entropy"].labels(component=component).set(nats)
        for term, value in record["losses"].items():
            metrics["spiral_learner_loss"].labels(term=term).set(value)
        for term, value in record["terms"].items():
            metrics["spiral_learner_term"].labels(term=term).set(value)
        metrics["spiral_learner_reward"].set(record["reward"])
        if (ink := record.get("ink_share")) is not None:
            metrics["spiral_learner_ink_share"].set(ink)
        for kind in ("first", "final"):
            if (score := record.get(f"score_{kind}")) is not None:  # long episodes take a while to end
                metrics["spiral_learner_score"].labels(kind=kind).set(score)
        painting = (painted_s - self._painted_s) / max(record["seconds"] - self._told_s, 1e-9)
        self._told_s, self._painted_s = record["seconds"], painted_s
        self._judge(record["waits"], actors, painting / self._learning.config.actor.groups, most_actors)
        self.waits.clear()

    def _judge(self, shares: Mapping[str, float], actors: int, painting: float, most_actors: float) -> None:
        """Name the bottleneck: the peer that the learner waits for most of the time, or itself."""
        slowest = max(shares, key=lambda peer: shares[peer]) if sum(shares.values()) > 0.5 else "learner"
        for service in SERVICES:
            self.metrics["spiral_learner_bottleneck"].labels(service=service).set(service == slowest)
        starved = shares.get("actor", 0.0)
        self.metrics["spiral_learner_actor_demand"].set(demand(actors, painting, starved, most_actors))

    def _count(self) -> None:
        """Raise the counters; a resumed run's begin at 0, or rates would take the whole run for one leap."""
        learner = self._learning.learner
        self.metrics["spiral_learner_frames_total"].inc(learner.frames - self._frames)
        self.metrics["spiral_learner_updates_total"].inc(learner.updates - self._updates)
        self._frames, self._updates = learner.frames, learner.updates
        self.metrics["spiral_learner_run_frames"].set(self._frames)
        self.metrics["spiral_learner_run_updates"].set(self._updates)
