"""The discriminator's metrics: scores, updates, and the age of updates that no checkpoint holds."""

from __future__ import annotations

import time
from collections.abc import Callable

from spiral.services.discriminator.judge import Judge, Scores, Update
from spiral.serving.metrics import Metrics


class DiscriminatorMetrics:
    """Counts scores and updates, reported by the thread that owns the judge, and clients that hang."""

    def __init__(
        self, metrics: Metrics, judge: Judge, checkpoint_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Start from the judge's counts of the run so far; a checkpoint is due every ``checkpoint_s`` seconds."""
        self._metrics, self._clock = metrics, clock
        self._unsaved_since: float | None = None
        metrics["spiral_discriminator_checkpoint_age_seconds"].set_function(self._unsaved_s)
        metrics["spiral_discriminator_checkpoint_interval_seconds"].set(checkpoint_s)
        metrics["spiral_discriminator_generation"].set(judge.version.generation)
        metrics["spiral_discriminator_run_updates"].set_function(lambda: judge.version.number)
        metrics["spiral_discriminator_debt"].set_function(lambda: judge.debt)

    def scored(self, scores: Scores, seconds: float, remembered: int) -> None:
        """A batch was scored, which took ``seconds`` in all, and ``remembered`` of its paintings were kept. A repeated
        answer does not count."""
        if scores.repeated:
            return
        if remembered and self._unsaved_since is None:
            self._unsaved_since = self._clock()
        frames, batch = next(iter(scores.terms.values())).shape
        own_s = seconds - sum(update.seconds for update in scores.updates)
        self._metrics["spiral_discriminator_score_seconds"].observe(own_s)
        self._metrics["spiral_discriminator_scored_frames_total"].inc(frames * batch)
        self._metrics["spiral_discriminator_remembered_total"].inc(remembered)
        score, deviation = self._metrics["spiral_discriminator_score"], self._metrics["spiral_discriminator_deviation"]
        for kind, statistics in (("real", scores.real), ("painted", scores.painted)):
            score.labels(kind=kind).set(statistics.mean)
            deviation.labels(kind=kind).set(statistics.deviation)
        self.updated(scores.updates)

    def saved(self) -> None:
        """A checkpoint was written."""
        self._unsaved_since = None

    def _unsaved_s(self) -> float:
        since = self._unsaved_since  # the worker's thread may change it meanwhile
        return 0.0 if since is None else self._clock() - since

    def silent(self) -> None:
        """A call was ended because its client was silent. Any thread may call this."""
        self._metrics["spiral_discriminator_idle_total"].inc()

    def updated(self, updates: tuple[Update, ...]) -> None:
        """The network was updated."""
        for update in updates:
            self._metrics["spiral_discriminator_updates_total"].inc()
            self._metrics["spiral_discriminator_update_seconds"].observe(update.seconds)
            self._metrics["spiral_discriminator_loss"].set(update.loss)
