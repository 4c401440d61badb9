"""How a run in the cluster is doing: two looks at all metrics pages, some seconds apart."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any

from kubernetes.aio.client import ApiException

from spiral.kubernetes.cluster import Cluster
from spiral.kubernetes.metrics_pages import ScrapedPage, read_pages
from spiral.kubernetes.missing_pods import missing_pods
from spiral.kubernetes.workloads import Part, read_parts
from spiral.serving.metrics_page import Page
from spiral.wire.edges import Service

FRAMES: Mapping[Service, str] = {
    "renderer": "spiral_renderer_frames_total",
    "actor": "spiral_actor_frames_total",
    "learner": "spiral_learner_frames_total",
    "discriminator": "spiral_discriminator_scored_frames_total",
}
"""What each service counts of the frames that go through it."""
WEIGHTS: Mapping[Service, tuple[str, str]] = {
    "actor": ("spiral_actor_weights_generation", "spiral_actor_weights_version"),
    "learner": ("spiral_learner_generation", "spiral_learner_run_updates"),
    "discriminator": ("spiral_discriminator_generation", "spiral_discriminator_run_updates"),
}
"""Generation and number of the weights that a service uses or makes."""


@dataclass(frozen=True, slots=True)
class PartStatus:
    """One service's container. None: not known."""

    service: Service
    pod: str
    state: str
    ready: bool
    restarts: int
    image_version: str
    weights: str = ""
    """``generation.number``; empty: it has none, or has not said."""
    frames_per_s: float | None = None
    memory_bytes: int | None = None
    note: str = ""
    """Why its page could not be read."""


@dataclass(frozen=True, slots=True)
class RunStatus:
    """The run. None: not known, because the page that says it could not be read."""

    parts: tuple[PartStatus, ...]
    learnt_frames: int | None = None
    """Over the whole run."""
    updates: int | None = None
    learnt_per_s: float | None = None
    painted_per_s: float | None = None
    rendered_per_s: float | None = None
    bottleneck: str = ""
    """The service that the others wait for."""
    lag: tuple[float, float, float] | None = None
    """Updates between the weights that painted and those that learn: least, mean, most."""
    actors: int | None = None
    """Actors that are connected to the learner."""
    actor_demand: float | None = None
    """How many actors it could feed on."""
    score_real: float | None = None
    score_painted: float | None = None
    versions: tuple[str, ...] = field(default=())
    """Different versions of the images, sorted; more than one while a roll-out is under way."""
    missing: tuple[str, ...] = field(default=())
    """Workloads that have fewer pods than they want, a sentence each."""


async def read_status(cluster: Cluster, seconds: float) -> RunStatus:
    """Look twice, ``seconds`` apart, for the rates; a pod that can't be read is no error."""
    parts = await read_parts(cluster)
    first = await read_pages(cluster, parts)
    if any(scraped.page for scraped in first):
        await asyncio.sleep(seconds)
        second = await read_pages(cluster, parts)
    else:
        second = first
    try:
        missing = tuple(f"{lacking.name}: {lacking}" for lacking in await missing_pods(cluster))
    except ApiException as error:
        if error.status != HTTPStatus.FORBIDDEN:
            raise
        missing = ()
    return replace(summarise(parts, first, second), missing=missing)


def summarise(parts: Sequence[Part], first: Sequence[ScrapedPage], second: Sequence[ScrapedPage]) -> RunStatus:
    """What two looks at the same parts say together."""
    statuses = tuple(_part(*of_one) for of_one in zip(parts, first, second, strict=True))
    pages: dict[str, Page] = {
        part.service: scraped.page for part, scraped in zip(parts, second, strict=True) if scraped.page
    }
    learner, discriminator = pages.get("learner", Page()), pages.get("discriminator", Page())
    frames, updates = (learner.value(name) for name in ("spiral_learner_run_frames", "spiral_learner_run_updates"))
    lag = [learner.value("spiral_learner_policy_lag", stat=stat) for stat in ("min", "mean", "max")]
    held_up = learner.by_label("spiral_learner_bottleneck", "service")
    actors = learner.value("spiral_learner_actors")
    scores = [discriminator.value("spiral_discriminator_score", kind=kind) for kind in ("real", "painted")]
    return RunStatus(
        statuses,
        learnt_frames=None if frames is None else int(frames),
        updates=None if updates is None else int(updates),
        learnt_per_s=_total(statuses, "learner"),
        painted_per_s=_total(statuses, "actor"),
        rendered_per_s=_total(statuses, "renderer"),
        bottleneck=next((service for service, on in held_up.items() if on), ""),
        lag=None if None in lag else (lag[0] or 0.0, lag[1] or 0.0, lag[2] or 0.0),
        actors=None if actors is None else int(actors),
        actor_demand=learner.value("spiral_learner_actor_demand"),
        # Both are 0 until the first batch is scored.
        score_real=scores[0] if any(scores) else None,
        score_painted=scores[1] if any(scores) else None,
        versions=tuple(sorted({status.image_version for status in statuses})),
    )


def to_json(status: RunStatus) -> dict[str, Any]:
    """The status as one JSON object; unknown values are null."""
    known: dict[str, Any] = {name: getattr(status, name) for name in RunStatus.__slots__}
    known["parts"] = [{name: getattr(part, name) for name in PartStatus.__slots__} for part in status.parts]
    return known


def _part(part: Part, first: ScrapedPage, second: ScrapedPage) -> PartStatus:
    page = second.page
    memory = page.value("spiral_resident_bytes") if page else None
    return PartStatus(
        part.service,
        part.name,
        part.state,
        part.ready,
        part.restarts,
        part.version,
        weights=_weights(part.service, page) if page else "",
        frames_per_s=_rate(FRAMES[part.service], first, second),
        memory_bytes=None if memory is None else int(memory),
        note=second.why_not if part.running else "",
    )


def _weights(service: Service, page: Page) -> str:
    names = WEIGHTS.get(service)
    if names is None:
        return ""
    generation, number = (page.value(name) for name in names)
    return "" if generation is None or number is None else f"{generation:.0f}.{number:.0f}"


def _rate(metric: str, first: ScrapedPage, second: ScrapedPage) -> float | None:
    """Increase of a counter a second; None if it is not known, or started anew in between."""
    before = first.page.value(metric) if first.page else None
    after = second.page.value(metric) if second.page else None
    if before is None or after is None or after < before or second.at_s <= first.at_s:
        return None
    return (after - before) / (second.at_s - first.at_s)


def _total(parts: Iterable[PartStatus], service: Service) -> float | None:
    """Frames a second of all parts of a service together; None if none is known."""
    rates = [part.frames_per_s for part in parts if part.service == service and part.frames_per_s is not None]
    return sum(rates) if rates else None
