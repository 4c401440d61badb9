"""The progress of a run: one value for both displays, from the services' metrics or a record of the learning curve."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from spiral.launcher.scrape import Scrape, ScrapedService
from spiral.runs.checkpoint_counters import NOTHING_LEARNT, CheckpointCounters
from spiral.runs.limits import Limits
from spiral.serving.metrics_page import Page

RATE_WINDOW_S = 15.0
"""Rates are averages over this time: a few batches even of the slowest presets, yet short enough to show a change."""


@dataclass(frozen=True, slots=True)
class ServiceProgress:
    """What one service is doing."""

    name: str
    state: str
    restarts: int = 0
    cpu: float | None = None
    """Number of busy cores."""
    memory_bytes: int | None = None
    waits: Mapping[str, float] = field(default_factory=dict)
    """Share of the time spent waiting for each peer, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of a run. None: not known yet."""

    seconds: float
    """Seconds since this start."""
    seconds_left: float | None = None
    share_done: float | None = None
    """0 to 1; None for a run without a limit."""
    frames: int = 0
    """Learned frames of the whole run."""
    frames_per_s: float | None = None
    """Learned frames per second."""
    painted_per_s: float | None = None
    """Frames that the actors paint per second."""
    updates: int = 0
    version: str = ""
    score_real: float | None = None
    score_painted: float | None = None
    entropy: Mapping[str, float] = field(default_factory=dict)
    """Entropy in nats, by component."""
    saturated: Mapping[str, float] = field(default_factory=dict)
    """Seconds for which the entropy of all components, or the gradient, has been 0; empty if neither is."""
    lag: tuple[float, float, float] | None = None
    """Updates between the weights that painted and those that learn: minimum, mean, maximum."""
    trajectories: int | None = None
    """Trajectories that the learner has accepted since its start."""
    dropped: int | None = None
    """Accepted trajectories that were too old to learn from."""
    run_share: float | None = None
    """Share of the run, over all starts, that its schedules have reached, 0 to 1."""
    learning_rate: float | None = None
    """The policy's current learning rate."""
    bottleneck: str = ""
    """The service that the learner waits for most, or the learner itself."""
    services: tuple[ServiceProgress, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The progress as one JSON object; unknown values are left out, numbers are rounded to meaningful digits."""
        known = {key: _rounded(value) for key, value in asdict(self).items() if value not in (None, "", {}, ())}
        # Three decimals would round a learning rate to 0.
        return known | ({} if self.learning_rate is None else {"learning_rate": float(f"{self.learning_rate:.3g}")})


class Tracker:
    """Computes progress from what the services publish; it remembers as much as rates need."""

    def __init__(self, limits: Limits, groups: int, counters: CheckpointCounters = NOTHING_LEARNT) -> None:
        """The actor's waits are sums over ``groups`` of canvases; ``counters`` are shown until the learner answers."""
        self._limits = limits
        self._groups = groups
        self._past: deque[Scrape] = deque()
        self._frames, self._updates = counters.frames, counters.updates

    @property
    def frames(self) -> int:
        """Learned frames in the newest answer."""
        return self._frames

    def progress(self, seconds: float, scrape: Scrape, services: tuple[ServiceProgress, ...]) -> Progress:
        """The progress at ``seconds`` since the start."""
        self._remember(scrape)
        by_service = scrape.by_service
        learner = by_service.get("learner", ScrapedService())
        discriminator = by_service.get("discriminator", ScrapedService()).page
        scores = [discriminator.value("spiral_discriminator_score", kind=kind) for kind in ("real", "painted")]
        frames = learner.page.value("spiral_learner_run_frames")
        self._frames = int(frames or self._frames)
        self._updates = int(learner.page.value("spiral_learner_run_updates") or self._updates)
        fps = self._rate("learner", "spiral_learner_frames_total")
        lag = [learner.page.value("spiral_learner_policy_lag", stat=stat) for stat in ("min", "mean", "max")]
        held_up = learner.page.by_label("spiral_learner_bottleneck", "service")
        return Progress(
            seconds=seconds,
            seconds_left=self._limits.seconds_left(seconds, self._frames, fps),
            share_done=_share(self._limits, seconds, self._frames),
            frames=self._frames,
            frames_per_s=fps,
            painted_per_s=self._rate("actor", "spiral_actor_frames_total"),
            updates=self._updates,
            version=learner.version,
            # Both are 0 until the first batch is scored.
            score_real=scores[0] if any(scores) else None,
            score_painted=scores[1] if any(scores) else None,
            entropy=learner.page.by_label("spiral_learner_entropy", "component"),
            saturated=_above_zero(learner.page.by_label("spiral_learner_saturated_seconds", "kind")),
            lag=None if None in lag else (lag[0] or 0.0, lag[1] or 0.0, lag[2] or 0.0),
            trajectories=_whole(learner.page.value("spiral_learner_trajectories_total", verdict="accepted")),
            dropped=_whole(learner.page.value("spiral_learner_dropped_total", reason="lag")),
            run_share=learner.page.value("spiral_learner_run_share"),
            learning_rate=learner.page.value("spiral_learner_learning_rate"),
            bottleneck=next((service for service, on in held_up.items() if on), ""),
            services=services,
        )

    def waits(self, service: str) -> dict[str, float]:
        """Recent share of the time that a service waited for each of its peers."""
        waiting = self._groups if service == "actor" else 1
        metric = f"spiral_{service}_wait_seconds_total"
        newest = _page(self._past[-1], service).by_label(metric, "peer") if self._past else {}
        return {
            peer: share / waiting for peer in newest if (share := self._rate(service, metric, peer=peer)) is not None
        }

    def _remember(self, scrape: Scrape) -> None:
        if not self._past or scrape.at_s > self._past[-1].at_s:
            self._past.append(scrape)
        while self._past[-1].at_s - self._past[0].at_s > RATE_WINDOW_S:
            self._past.popleft()

    def _rate(self, service: str, metric: str, **labels: str) -> float | None:
        """Increase of a counter per second; None if it is not known yet, or if its service restarted in between."""
        points = [
            (scrape.at_s, value)
            for scrape in self._past
            # A counter at 0 may not have been set yet to the total of the resumed run.
            if (value := _page(scrape, service).value(metric, **labels))
        ]
        if len(points) < 2 or points[-1][1] < points[0][1]:
            return None
        return (points[-1][1] - points[0][1]) / (points[-1][0] - points[0][0])


def from_record(record: Mapping[str, Any], seconds: float, limits: Limits) -> Progress:
    """Progress of an in-process run ``seconds`` after this start, from a record of its learning curve (the keys of
    ``history.jsonl``)."""
    frames, fps = int(record.get("frames", 0)), record.get("fps")
    return Progress(
        seconds=seconds,
        seconds_left=limits.seconds_left(seconds, frames, fps),
        share_done=_share(limits, seconds, frames),
        frames=frames,
        frames_per_s=fps,
        updates=int(record.get("updates", 0)),
        score_real=record.get("score_real"),
        score_painted=record.get("score_painted"),
        entropy=record.get("entropy") or {},
        saturated=_above_zero(record.get("saturated") or {}),
        run_share=record.get("run_share"),
        learning_rate=record.get("learning_rate"),
    )


def _above_zero(values: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in values.items() if value > 0}


def _share(limits: Limits, seconds: float, frames: int) -> float | None:
    """The share that is shown: at most 1, although the last batch goes a little beyond the limit."""
    done = limits.done(seconds, frames)
    return None if done is None else min(1.0, done)


def _page(scrape: Scrape, service: str) -> Page:
    return scrape.by_service.get(service, ScrapedService()).page


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 3)
    if isinstance(value, Mapping):
        return {key: _rounded(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(inner) for inner in value]
    return value
