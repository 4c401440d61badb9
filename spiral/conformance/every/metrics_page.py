"""The metrics page."""

from __future__ import annotations

from spiral.conformance.case import case, require
from spiral.conformance.target import Target
from spiral.wire.edges import Service

NAMES: dict[Service, tuple[str, ...]] = {
    "renderer": ("spiral_renderer_frames_total", "spiral_renderer_streams", "spiral_renderer_canvases"),
    "actor": (
        "spiral_actor_frames_total",
        "spiral_actor_credits",
        "spiral_actor_weights_version",
        "spiral_actor_trajectories_total",
    ),
    "learner": (
        "spiral_learner_frames_total",
        "spiral_learner_updates_total",
        "spiral_learner_queue_messages",
        "spiral_learner_trajectories_total",
        "spiral_learner_dropped_total",
    ),
    "discriminator": (
        "spiral_discriminator_scored_frames_total",
        "spiral_discriminator_remembered_total",
        "spiral_discriminator_updates_total",
    ),
}
"""What dashboards, alerts and the other cases rest on."""


@case("every", "metrics")
def metrics_that_others_rest_on_are_there(target: Target) -> None:
    """The metrics that dashboards and alerts use exist.

    Reads the metrics page that ``GetInfo`` names (or ``--metrics``) in Prometheus' text format. It must have, of a
    renderer, ``spiral_renderer_frames_total``, ``spiral_renderer_streams`` and ``spiral_renderer_canvases``; of an
    actor, ``spiral_actor_frames_total``, ``spiral_actor_credits``, ``spiral_actor_weights_version`` and
    ``spiral_actor_trajectories_total``; of a learner, ``spiral_learner_frames_total``,
    ``spiral_learner_updates_total``, ``spiral_learner_queue_messages``, ``spiral_learner_trajectories_total`` and
    ``spiral_learner_dropped_total``; of a discriminator, ``spiral_discriminator_scored_frames_total``,
    ``spiral_discriminator_remembered_total`` and ``spiral_discriminator_updates_total``. docs/metrics.md says what each
    counts. Skipped if there is no page.
    """
    missing = set(NAMES[target.service]) - set(target.metrics())
    require(not missing, f"the metrics page lacks {', '.join(sorted(missing))}")
