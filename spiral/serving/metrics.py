"""What the services count and measure: one catalogue, one page per process.

``python -m spiral.serving.metrics`` prints the catalogue as docs/metrics.md.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import prometheus_client
import psutil
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from spiral.computing.saturation import KINDS
from spiral.wire.addresses import split_tcp
from spiral.wire.edges import SERVICES, Service
from spiral.wire.software import software_version

Kind = Literal["counter", "gauge", "histogram"]

# From a step of one canvas to an update on a slow machine.
SECONDS_BUCKETS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)

REFUSALS = (
    "malformed",
    "digest",
    "generation",
    "tensors",
    "shape",
    "dtype",
    "size",
    "value",
    "no_credit",
    "no_hello",
    "stopping",
)
"""Why a trajectory is refused: ``Reason`` of trajectory.proto in lower case, without its prefix."""
VERDICTS = ("accepted", "duplicate", "refused")
"""What becomes of a trajectory: ``Verdict`` of trajectory.proto, likewise."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One line of the catalogue."""

    name: str
    kind: Kind
    unit: str
    help: str
    services: tuple[Service, ...]
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Values of each label; empty if they depend on the run's configuration."""


def _metric(name: str, kind: Kind, unit: str, text: str, /, **labels: tuple[str, ...]) -> Metric:
    """A metric of the service that its name contains."""
    service = next(s for s in SERVICES if name.startswith(f"spiral_{s}_"))
    return Metric(name, kind, unit, text, (service,), labels)


CATALOGUE: tuple[Metric, ...] = (
    Metric("spiral_resident_bytes", "gauge", "bytes", "Resident memory of the process.", SERVICES),
    Metric("spiral_start_time_seconds", "gauge", "seconds", "When the process started, Unix time.", SERVICES),
    Metric(
        "spiral_self_check_failures_total",
        "counter",
        "failures",
        "Times that the process's own gRPC server did not answer it for ten seconds.",
        SERVICES,
    ),
    Metric("spiral_info", "gauge", "", "Always 1; its label is the software's version.", SERVICES, {"version": ()}),
    _metric("spiral_renderer_frames_total", "counter", "frames", "Actions executed, each with its observation."),
    _metric("spiral_renderer_step_seconds", "histogram", "seconds", "Engine time for one step of a stream."),
    _metric("spiral_renderer_streams", "gauge", "streams", "Rollout and Render calls in progress."),
    _metric("spiral_renderer_idle_total", "counter", "streams", "Streams ended because their caller was silent."),
    _metric("spiral_renderer_canvases", "gauge", "canvases", "Canvases open on all streams."),
    _metric("spiral_actor_frames_total", "counter", "frames", "Frames painted."),
    _metric("spiral_actor_inference_seconds", "histogram", "seconds", "Policy time for one step of a group."),
    _metric("spiral_actor_batch", "gauge", "canvases", "Canvases of a group: the batch of one inference."),
    _metric("spiral_actor_weights_generation", "gauge", "generation", "Generation of the weights in use."),
    _metric("spiral_actor_weights_version", "gauge", "updates", "Number of the weights in use."),
    _metric("spiral_actor_weights_age_seconds", "gauge", "seconds", "Time since the weights in use arrived."),
    _metric("spiral_actor_credits", "gauge", "trajectories", "Trajectories that the learner allows it to send."),
    _metric(
        "spiral_actor_episodes_lost_total",
        "counter",
        "episodes",
        "Episodes discarded, by reason.",
        reason=("renderer", "generation", "refused", "stopping"),
    ),
    _metric(
        "spiral_actor_trajectories_total", "counter", "messages", "The learner's answers, by verdict.", verdict=VERDICTS
    ),
    _metric(
        "spiral_actor_wait_seconds_total",
        "counter",
        "seconds",
        "Time that all groups spent waiting, by the service that they waited for.",
        peer=("renderer", "learner", "discriminator"),
    ),
    _metric("spiral_actor_paint_fraction", "gauge", "fraction", "Share of actions that paint, in the last episodes."),
    _metric(
        "spiral_learner_frames_total", "counter", "frames", "Frames learned from since the start, each counted once."
    ),
    _metric("spiral_learner_run_frames", "gauge", "frames", "Frames learned from over the whole run."),
    _metric("spiral_learner_updates_total", "counter", "updates", "Updates of the policy since the start."),
    _metric("spiral_learner_run_updates", "gauge", "updates", "Updates of the policy over the whole run."),
    _metric("spiral_learner_run_share", "gauge", "fraction", "Share of the run that is done; schedules fall over it."),
    _metric("spiral_learner_learning_rate", "gauge", "", "Step size of the policy's optimizer."),
    _metric("spiral_learner_generation", "gauge", "generation", "How often the learner was started on this run."),
    _metric("spiral_learner_queue_messages", "gauge", "messages", "Trajectories that wait to be learned from."),
    _metric(
        "spiral_learner_slots", "gauge", "messages", "Trajectories that may be on their way to it or waiting there."
    ),
    _metric("spiral_learner_queue_bytes", "gauge", "bytes", "Memory of the trajectories that wait."),
    _metric(
        "spiral_learner_trajectories_total",
        "counter",
        "messages",
        "Trajectories that arrived, by verdict.",
        verdict=VERDICTS,
    ),
    _metric("spiral_learner_refused_total", "counter", "messages", "Messages refused, by reason.", reason=REFUSALS),
    _metric(
        "spiral_learner_dropped_total",
        "counter",
        "messages",
        "Accepted trajectories that were not learned from, by reason.",
        reason=("lag", "stopping"),
    ),
    _metric(
        "spiral_learner_policy_lag",
        "gauge",
        "updates",
        "Updates between the weights that painted the last batch and the weights that learned from it.",
        stat=("min", "mean", "max"),
    ),
    _metric(
        "spiral_learner_lag_limit", "gauge", "updates", "Lag beyond which a trajectory is dropped: learner.max_lag."
    ),
    _metric(
        "spiral_learner_wait_seconds_total",
        "counter",
        "seconds",
        "Time that the learning loop waited, by the service that it waited for.",
        peer=("actor", "discriminator", "renderer"),
    ),
    _metric("spiral_learner_update_seconds", "histogram", "seconds", "Time of all updates on one batch."),
    _metric("spiral_learner_score_seconds", "histogram", "seconds", "Time until a batch's scores arrive."),
    _metric("spiral_learner_entropy", "gauge", "nats", "Entropy of each component where it counts.", component=()),
    _metric(
        "spiral_learner_entropy_limit",
        "gauge",
        "nats",
        "Largest entropy of each component: ln of its size.",
        component=(),
    ),
    _metric("spiral_learner_loss", "gauge", "", "Terms of the loss in the last update.", term=()),
    _metric(
        "spiral_learner_saturated_seconds",
        "gauge",
        "seconds",
        "How long the entropy of all components, or the gradient, has been 0.",
        kind=KINDS,
    ),
    _metric("spiral_learner_reward", "gauge", "reward", "Mean return of the episodes of the last batch."),
    _metric(
        "spiral_learner_score",
        "gauge",
        "score",
        "Mean score of the last batch's first and final pictures.",
        kind=("first", "final"),
    ),
    _metric(
        "spiral_learner_ink_share",
        "gauge",
        "fraction",
        "Share of strokes that change the picture, in the last episodes; 0 if the brush leaves nothing.",
    ),
    _metric("spiral_learner_finished", "gauge", "", "1 once the run's limit is reached; learning has then ended."),
    _metric(
        "spiral_learner_checkpoint_age_seconds",
        "gauge",
        "seconds",
        "Time since the oldest update that no checkpoint holds; 0: all is saved.",
    ),
    _metric(
        "spiral_learner_checkpoint_interval_seconds",
        "gauge",
        "seconds",
        "Configured time between checkpoints: learner.checkpoint_s.",
    ),
    _metric("spiral_learner_term", "gauge", "score", "Mean of each score term over a batch's final pictures.", term=()),
    _metric(
        "spiral_learner_actor_demand",
        "gauge",
        "actors",
        "Actors that it could keep busy at its present speed before trajectories exceed learner.max_lag.",
    ),
    _metric("spiral_learner_actors", "gauge", "actors", "Actors that are connected and have said Hello."),
    _metric(
        "spiral_learner_bottleneck",
        "gauge",
        "",
        "1 for the service that the learner waits for most, or the learner itself; 0 for the others.",
        service=SERVICES,
    ),
    _metric("spiral_discriminator_updates_total", "counter", "updates", "Updates since the start."),
    _metric("spiral_discriminator_run_updates", "gauge", "updates", "Updates over the whole run."),
    _metric("spiral_discriminator_generation", "gauge", "generation", "How often it was started on this run."),
    _metric("spiral_discriminator_update_seconds", "histogram", "seconds", "Time of one update."),
    _metric("spiral_discriminator_score_seconds", "histogram", "seconds", "Time to score one batch."),
    _metric("spiral_discriminator_scored_frames_total", "counter", "frames", "Observations scored."),
    _metric("spiral_discriminator_remembered_total", "counter", "pictures", "Paintings added to the replay buffer."),
    _metric("spiral_discriminator_idle_total", "counter", "calls", "Calls ended because their caller was silent."),
    _metric("spiral_discriminator_debt", "gauge", "updates", "Updates earned by remembered batches and not yet made."),
    _metric(
        "spiral_discriminator_score",
        "gauge",
        "score",
        "Running mean score of real pictures and of paintings.",
        kind=("real", "painted"),
    ),
    _metric(
        "spiral_discriminator_deviation",
        "gauge",
        "score",
        "Running standard deviation of the scores of real pictures and of paintings.",
        kind=("real", "painted"),
    ),
    _metric(
        "spiral_discriminator_checkpoint_age_seconds",
        "gauge",
        "seconds",
        "Time since the oldest update that no checkpoint holds; 0: all is saved.",
    ),
    _metric(
        "spiral_discriminator_checkpoint_interval_seconds",
        "gauge",
        "seconds",
        "Configured time between checkpoints: learner.checkpoint_s.",
    ),
    _metric("spiral_discriminator_loss", "gauge", "", "Loss of the last update."),
)


class Metrics:
    """The metrics of one service: ``metrics["spiral_renderer_frames_total"].inc(64)``."""

    def __init__(self, service: Service, registry: CollectorRegistry) -> None:
        """Make all metrics that the catalogue lists for ``service``; those with known labels start at 0."""
        self.registry = registry
        self._made = {m.name: _make(m, registry) for m in CATALOGUE if service in m.services}
        self["spiral_resident_bytes"].set_function(lambda: psutil.Process().memory_info().rss)
        self["spiral_start_time_seconds"].set(psutil.Process().create_time())
        self["spiral_info"].labels(version=software_version()).set(1)

    def __getitem__(self, name: str) -> Any:
        """The Counter, Gauge or Histogram of that name; KeyError if the catalogue has none for the service."""
        return self._made[name]

    def __iter__(self) -> Any:
        return iter(self._made)


def new_metrics(service: Service) -> Metrics:
    """The metrics of a service, in their own registry."""
    return Metrics(service, CollectorRegistry())


class MetricsPage:
    """The metrics page over HTTP, served until closed."""

    def __init__(self, metrics: Metrics, address: str) -> None:
        """Serve on ``host:port`` (port 0: a free one); ValueError with a sentence if it is in use."""
        # Creation times double the page and answer no question that we have.
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
        host, port = split_tcp(address)
        try:
            self._server, self._thread = prometheus_client.start_http_server(port, host, metrics.registry)
        except OSError as error:
            raise ValueError(
                f"metrics: {address} can't be listened on ({error.strerror}); expected a free address"
            ) from error
        self.address = f"{address.rpartition(':')[0]}:{self._server.server_port}"

    def close(self) -> None:
        """Stop serving and free the port."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def catalogue_page() -> str:
    """The whole text of docs/metrics.md."""
    lines = [
        "# Metrics",
        "",
        "Every service publishes its metrics over HTTP in Prometheus' text format; `GetInfo` names the",
        "address, and `--metrics HOST:PORT` sets it. This page is generated from the catalogue in",
        "`spiral/serving/metrics.py`: `python -m spiral.serving.metrics > docs/metrics.md`.",
    ]
    for title, services in (("Every service", SERVICES), *((s.capitalize(), (s,)) for s in SERVICES)):
        lines += ["", f"## {title}", "", "| name | type | unit | labels | what |", "|---|---|---|---|---|"]
        lines += [_row(m) for m in CATALOGUE if m.services == services]
    return "\n".join(lines) + "\n"


def _row(metric: Metric) -> str:
    labels = ", ".join(f"`{label}`" + (f": {', '.join(v)}" if v else "") for label, v in metric.labels.items())
    return f"| `{metric.name}` | {metric.kind} | {metric.unit} | {labels} | {metric.help} |"


def _make(metric: Metric, registry: CollectorRegistry) -> Counter | Gauge | Histogram:
    names = tuple(metric.labels)
    made: Counter | Gauge | Histogram
    if metric.kind == "counter":
        made = Counter(metric.name, metric.help, names, registry=registry)
    elif metric.kind == "gauge":
        made = Gauge(metric.name, metric.help, names, registry=registry)
    else:
        made = Histogram(metric.name, metric.help, names, registry=registry, buckets=SECONDS_BUCKETS)
    for name, values in metric.labels.items():
        for value in values:
            made.labels(**{name: value})
    return made


if __name__ == "__main__":
    sys.stdout.write(catalogue_page())
