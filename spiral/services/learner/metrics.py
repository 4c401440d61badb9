"""The learner's metrics, including which service it is waiting for."""

from __future__ import annotations

import logging
import math
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from spiral.computing.saturation import KINDS
from spiral.services.learner.scaling_signal import actor_demand
from spiral.services.learner.trainer import Trainer
from spiral.serving.metrics import Metrics
from spiral.wire.edges import SERVICES

LOG_WAIT_S = 10.0
"""A wait this long gets a line in the log, and another one each time it has lasted this much longer."""

_log = logging.getLogger(__name__)


class LearnerMetrics:
    """Keeps the learner's metrics, including which service it is waiting for."""

    def __init__(self, metrics: Metrics, trainer: Trainer) -> None:
        self.exposed = metrics
        self.waits: dict[str, float] = defaultdict(float)
        """Seconds waited for each peer since the last record."""
        self._trainer = trainer
        self._in_a_row = 0.0
        self._logged_at = 0.0
        self._recorded_s, self._painted_s = trainer.elapsed_s, 0.0
        """Time of the last record, and the seconds of painting until then."""
        metrics["spiral_learner_generation"].set(trainer.generation)
        metrics["spiral_learner_lag_limit"].set(trainer.config.learner.max_lag)
        for component in trainer.description.spec.components:
            metrics["spiral_learner_entropy_limit"].labels(component=component.name).set(math.log(component.size))
        metrics["spiral_learner_finished"].set_function(lambda: trainer.done >= 1)
        metrics["spiral_learner_checkpoint_age_seconds"].set_function(lambda: trainer.unsaved_s)
        metrics["spiral_learner_run_share"].set_function(lambda: trainer.learner.run_share)
        metrics["spiral_learner_learning_rate"].set_function(lambda: trainer.learner.learning_rate)
        for kind in KINDS:
            saturated = metrics["spiral_learner_saturated_seconds"].labels(kind=kind)
            saturated.set_function(lambda kind=kind: trainer.recorder.saturation.seconds[kind])
        metrics["spiral_learner_checkpoint_interval_seconds"].set(trainer.config.learner.checkpoint_s)
        self._frames, self._updates = trainer.learner.frames, trainer.learner.updates
        self._count()

    def waited(self, peer: str, seconds: float, came: bool) -> None:
        """Account for a wait of ``seconds`` for ``peer``; ``came``: whether it ended with a batch."""
        self.waits[peer] += seconds
        self.exposed["spiral_learner_wait_seconds_total"].labels(peer=peer).inc(seconds)
        self._in_a_row = 0.0 if came else self._in_a_row + seconds
        if came:
            self._logged_at = 0.0
        elif self._in_a_row - self._logged_at >= LOG_WAIT_S:
            self._logged_at = self._in_a_row
            _log.warning("waiting for the %s for %.0f s", peer, self._in_a_row)

    def learnt(self, seconds: float) -> None:
        """Account for a batch that was learned from."""
        metrics, trainer = self.exposed, self._trainer
        self._count()
        metrics["spiral_learner_update_seconds"].observe(seconds)
        lag = metrics["spiral_learner_policy_lag"]
        lag.labels(stat="min").set(trainer.lag.least)
        lag.labels(stat="mean").set(trainer.lag.mean)
        lag.labels(stat="max").set(trainer.lag.most)

    def recorded(
        self, record: Mapping[str, Any] | None, actors: int, painted_s: float, most_actors: float = math.inf
    ) -> None:
        """Copy the history's newest record into the metrics, if there is one.

        ``actors`` are connected. ``painted_s``: time that all groups took to paint what has arrived since the start.
        Beyond ``most_actors``, actors would wait for credits however long the learner waits.
        """
        if record is None:
            return
        metrics = self.exposed
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
            if (score := record.get(f"score_{kind}")) is not None:  # absent until a long episode has ended
                metrics["spiral_learner_score"].labels(kind=kind).set(score)
        painting = (painted_s - self._painted_s) / max(record["seconds"] - self._recorded_s, 1e-9)
        self._recorded_s, self._painted_s = record["seconds"], painted_s
        self._name_bottleneck(record["waits"], actors, painting / self._trainer.config.actor.groups, most_actors)
        self.waits.clear()

    def _name_bottleneck(self, shares: Mapping[str, float], actors: int, painting: float, most_actors: float) -> None:
        """Name the bottleneck: the peer that the learner waits for most of the time, or itself."""
        slowest = max(shares, key=lambda peer: shares[peer]) if sum(shares.values()) > 0.5 else "learner"
        for service in SERVICES:
            self.exposed["spiral_learner_bottleneck"].labels(service=service).set(service == slowest)
        starved = shares.get("actor", 0.0)
        self.exposed["spiral_learner_actor_demand"].set(actor_demand(actors, painting, starved, most_actors))

    def _count(self) -> None:
        """Raise the counters. They begin at 0 in a resumed run, or rates would show the whole run as one leap."""
        learner = self._trainer.learner
        self.exposed["spiral_learner_frames_total"].inc(learner.frames - self._frames)
        self.exposed["spiral_learner_updates_total"].inc(learner.updates - self._updates)
        self._frames, self._updates = learner.frames, learner.updates
        self.exposed["spiral_learner_run_frames"].set(self._frames)
        self.exposed["spiral_learner_run_updates"].set(self._updates)
