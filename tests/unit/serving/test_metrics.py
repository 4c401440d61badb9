"""The catalogue is what is exported, and what the documentation says."""

from __future__ import annotations

import socket
import urllib.request
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from spiral.serving import metrics
from spiral.serving.metrics import CATALOGUE, REFUSALS, VERDICTS, MetricsPage, new_metrics
from spiral.v1.trajectory_pb2 import Reason, Verdict
from spiral.wire.edges import EDGES, SERVICES, Service, peers

DOCS = Path(__file__).parents[3] / "docs" / "metrics.md"


def exported(service: Service) -> dict[str, tuple[str, str]]:
    """Name → type and help of all on the page of a service, as Prometheus reads it."""
    page = MetricsPage(new_metrics(service), "127.0.0.1:0")
    try:
        text = urllib.request.urlopen(f"http://{page.address}/metrics", timeout=10).read().decode()
    finally:
        page.close()
    return {f.name: (f.type, f.documentation) for f in text_string_to_metric_families(text)}


@pytest.mark.parametrize("service", SERVICES)
def test_each_service_exports_what_is_catalogued_for_it(service: Service) -> None:
    catalogued = {m.name.removesuffix("_total"): (m.kind, m.help) for m in CATALOGUE if service in m.services}
    assert exported(service) == catalogued


def test_known_labels_show_0_before_anything_happens() -> None:
    made = new_metrics("learner")
    for metric in CATALOGUE:
        if "learner" in metric.services and len(metric.labels) == 1 and all(metric.labels.values()):
            ((label, values),) = metric.labels.items()
            for value in values:
                assert made.registry.get_sample_value(metric.name, {label: value}) == 0


def test_memory_is_what_the_process_has() -> None:
    value = new_metrics("renderer").registry.get_sample_value("spiral_resident_bytes")
    assert value is not None
    assert value > 1e6


def test_a_metric_of_another_service_is_an_error() -> None:
    with pytest.raises(KeyError):
        new_metrics("renderer")["spiral_learner_reward"]


def test_names_are_unique_and_say_their_type() -> None:
    assert len({m.name for m in CATALOGUE}) == len(CATALOGUE)
    for metric in CATALOGUE:
        assert metric.name.startswith("spiral_")
        assert metric.name.endswith("_total") == (metric.kind == "counter"), metric.name
        assert metric.help.endswith("."), metric.name


def test_the_protocols_words_are_the_labels() -> None:
    assert list(REFUSALS) == [name.removeprefix("REASON_").lower() for name in Reason.keys()[1:]]
    assert list(VERDICTS) == [name.removeprefix("VERDICT_").lower() for name in Verdict.keys()[1:]]


def test_the_documentation_is_current() -> None:
    assert DOCS.read_text() == metrics.catalogue_page(), "run: python -m spiral.serving.metrics > docs/metrics.md"


def test_a_port_in_use_is_a_sentence() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ValueError, match=f"metrics: 127.0.0.1:{port} can't be listened on"):
            MetricsPage(new_metrics("renderer"), f"127.0.0.1:{port}")


def test_waits_name_exactly_the_peers_of_the_edge_table() -> None:
    for service in ("actor", "learner"):
        (metric,) = (m for m in CATALOGUE if m.name == f"spiral_{service}_wait_seconds_total")
        callers = {e.client for e in EDGES if e.server == service}
        assert set(metric.labels["peer"]) == set(peers(service)) | callers  # type: ignore[arg-type]
