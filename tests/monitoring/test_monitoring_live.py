"""The monitoring as it is applied: its Prometheus finds the services by DNS, and every query and rule has data."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest

from cluster.cluster import Cluster
from cluster.pod import Pod
from cluster.scrape import total
from spiral.serving.metrics import CATALOGUE
from tests.k8s.e2e.manifests_of_the_project import SMALL, single, with_run
from tests.k8s.static.combinations import UnbuiltError, render
from tests.monitoring.answers import ask, largest, query
from tests.monitoring.written import metrics_in, need, queries, rules

pytestmark = [pytest.mark.timeout(1200), pytest.mark.slow]

SERVICES = ("renderer", "actor", "learner", "discriminator")
PATIENCE_S = 300.0
"""Two scrapes lie between a service's first page and its first rate, and this machine may be busy."""

MAY_BE_EMPTY = {"run-overview: Alerts"}
"""Panels that show nothing when nothing is wrong."""


@pytest.fixture(scope="module")
def watched(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Cluster:
    """A small run, and the monitoring without Grafana, of which there is none here."""
    need("prometheus")
    try:
        objects = render("base + monitoring", tmp_path_factory.mktemp("k8s"))
    except UnbuiltError as error:
        pytest.skip(str(error))
    objects = single(with_run(objects, SMALL))
    cluster.apply(item for item in objects if (item["kind"], item["metadata"]["name"]) != ("Deployment", "grafana"))
    cluster.until(lambda: cluster.ready(*SERVICES, "prometheus"), "all to become ready", PATIENCE_S)
    return cluster


@pytest.fixture(scope="module")
def prometheus(watched: Cluster) -> Pod:
    """The pod of Prometheus, once it has rates of everybody."""
    pod = watched.pod("prometheus")
    watched.until(lambda: len(query(pod, "up == 1")) == len(SERVICES), "everybody to be scraped", PATIENCE_S)
    # Whatever comes last: the learner's account of a batch, twice.
    watched.until(lambda: largest(pod, "rate(spiral_learner_updates_total[1m]) > 0"), "a rate of updates", PATIENCE_S)
    watched.until(lambda: query(pod, "namespace:spiral_learner_frames:rate5m"), "recordings", PATIENCE_S)
    return pod


def selectors(expression: str) -> list[str]:
    """The series that an expression asks for, each as a selector without ranges."""
    names = r"(?:[a-z_]+:)?spiral_[a-z0-9_]+(?::[a-z0-9_]+)?|\bup\b"
    return re.findall(rf"((?:{names})(?:\{{[^}}]*\}})?)", expression)


def test_each_service_is_found_under_its_job(prometheus: Pod) -> None:
    found = {sample.labels["job"] for sample in query(prometheus, "up == 1")}
    assert found == {f"spiral-{service}" for service in SERVICES}


@pytest.mark.parametrize("service", SERVICES)
def test_what_a_service_shows_is_what_the_catalogue_says(watched: Cluster, prometheus: Pod, service: str) -> None:
    catalogued = {metric.name for metric in CATALOGUE if service in metric.services}

    def shown() -> set[str]:
        series = query(prometheus, f'group by (__name__) ({{job="spiral-{service}", __name__=~"spiral_.*"}})')
        return {name for sample in series for name in metrics_in(sample.labels["__name__"])}

    # Labels whose values the run decides are there after the first batch.
    watched.until(lambda: shown() >= catalogued, "all that is catalogued", PATIENCE_S)
    assert shown() == catalogued


def test_every_query_of_the_dashboards_has_data(watched: Cluster, prometheus: Pod) -> None:
    asked = [one for one in queries() if one.panel not in MAY_BE_EMPTY]
    assert len(asked) > 60

    def empty() -> list[str]:
        return [str(one) for one in asked if not query(prometheus, one.expression)]

    # Some wait for others: a score for the first batch, what is recorded for the next evaluation.
    watched.until(lambda: not empty(), "data for every query", PATIENCE_S)
    nothing = [str(one) for one in asked if all(s.value != s.value for s in query(prometheus, one.expression))]
    assert nothing == [], "not a number"
    for one in queries():
        if one.panel in MAY_BE_EMPTY:
            query(prometheus, one.expression)


def test_every_rule_is_evaluated_and_what_it_asks_for_is_there(watched: Cluster, prometheus: Pod) -> None:
    groups = ask(prometheus, "rules")["groups"]
    evaluated = {rule["name"]: rule for group in groups for rule in group["rules"]}
    assert evaluated.keys() == {rule.get("alert") or rule["record"] for rule in rules()}
    assert [name for name, rule in evaluated.items() if rule["health"] != "ok" or rule.get("lastError")] == []
    for rule in rules("record"):
        assert query(prometheus, rule["record"]), rule["record"]
    for rule in rules("alert"):
        query(prometheus, rule["expr"])
        asked = selectors(rule["expr"])
        assert asked, rule["alert"]
        for selector in asked:
            assert query(prometheus, selector), f"{rule['alert']} would never fire: nobody shows {selector}"


def test_a_run_that_is_well_raises_no_alarm(prometheus: Pod) -> None:
    firing = query(prometheus, 'ALERTS{alertstate="firing"}')
    assert [sample.labels["alertname"] for sample in firing] == []


def test_restarts_are_counted_without_anybody_who_watches_pods(watched: Cluster, prometheus: Pod) -> None:
    record = "namespace_job:spiral_restarts:increase30m"
    before = {sample.labels["job"]: sample.value for sample in query(prometheus, record)}
    renderer, learner = watched.pod("renderer"), watched.pod("learner")
    running = renderer.container().running
    assert running is not None
    running.signal(signal.SIGKILL)
    learner.delete()
    for job in ("spiral-renderer", "spiral-learner"):
        selector = f'{record}{{job="{job}"}}'
        watched.until(
            lambda selector=selector, job=job: (largest(prometheus, selector) or 0) == before[job] + 1,
            f"the restart of {job}",
            PATIENCE_S,
        )
    for job in ("spiral-actor", "spiral-discriminator"):
        assert largest(prometheus, f'{record}{{job="{job}"}}') == before[job]


def test_a_run_does_not_miss_a_prometheus_that_goes(watched: Cluster) -> None:
    starts = {pod.uid: pod.restarts for name in SERVICES for pod in watched.pods(name)}
    watched.scale("prometheus", 0)
    watched.until(lambda: not watched.pods("prometheus"), "Prometheus to end", PATIENCE_S)
    frames = total(watched.pods("learner"), "spiral_learner_run_frames")
    watched.until(
        lambda: total(watched.pods("learner"), "spiral_learner_run_frames") > frames, "frames to be learned", PATIENCE_S
    )
    assert {pod.uid: pod.restarts for name in SERVICES for pod in watched.pods(name)} == starts


def test_a_prometheus_that_comes_back_has_kept_what_it_knew(watched: Cluster) -> None:
    claim: Path = watched.claims.path("spiral", "data-prometheus-0")
    assert any(claim.iterdir())
    watched.scale("prometheus", 1)
    watched.until(lambda: watched.ready("prometheus"), "Prometheus", PATIENCE_S)
    assert query(watched.pod("prometheus"), "max_over_time(spiral_learner_frames_total[30m])")
