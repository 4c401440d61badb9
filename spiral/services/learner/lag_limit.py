"""Drops trajectories that are too old: the weights that painted them are over ``learner.max_lag`` updates old."""

from __future__ import annotations

from spiral.services.learner.ingest_thread import Arrived
from spiral.serving.metrics import Metrics
from spiral.values.versions import Version


class LagLimit:
    """Decides which trajectories are learned from, and counts both kinds."""

    def __init__(self, max_lag: int, metrics: Metrics) -> None:
        self.max_lag = max_lag
        self.kept = self.dropped = 0
        """Trajectories that were young enough, and that were too old."""
        self._metrics = metrics

    def drops(self, arrived: Arrived, newest: Version) -> bool:
        """Drop a trajectory, and free its slot, if the oldest weights that painted it are too old."""
        if newest.number - arrived.oldest_version.number <= self.max_lag:
            self.kept += 1
            return False
        self.dropped += 1
        self._metrics["spiral_learner_dropped_total"].labels(reason="lag").inc()
        arrived.release()
        return True
