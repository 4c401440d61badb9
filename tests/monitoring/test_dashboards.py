"""The dashboards: they are what is generated, Prometheus understands every query, and nothing measured is left out."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from spiral.serving.metrics import CATALOGUE
from tests.monitoring.written import COMPONENTS, DASHBOARDS, ROOT, metrics_in, need, panels, queries, rules

NAMES = ["learning", "run-overview", "services"]


def test_what_is_committed_is_what_is_generated(tmp_path: Path) -> None:
    pytest.importorskip("grafana_foundation_sdk")
    generator = COMPONENTS / "monitoring" / "generate"
    subprocess.run([sys.executable, generator, tmp_path], cwd=ROOT, check=True)
    made = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*.*"))
    assert [path.name for path in made] == [*(f"{name}.json" for name in NAMES), "rules.yaml"]
    for path in made:
        assert (COMPONENTS / path).read_text() == (tmp_path / path).read_text(), f"{path}: make golden renews it"


def test_there_is_a_dashboard_for_each_question() -> None:
    assert [file.stem for file in DASHBOARDS] == NAMES
    pages = [json.loads(file.read_text()) for file in DASHBOARDS]
    assert {page["title"] for page in pages} == {"Run overview", "Services", "Learning"}
    assert len({page["uid"] for page in pages}) == 3


@pytest.mark.parametrize("file", DASHBOARDS, ids=lambda file: file.stem)
def test_panels_lie_side_by_side_and_can_be_told_apart(file: Path) -> None:
    page = json.loads(file.read_text())
    ids = [panel["id"] for panel in page["panels"]]
    assert len(ids) == len(set(ids))
    titles = [panel["title"] for panel in panels(file) if panel["type"] == "timeseries"]
    rows = [panel["title"] for panel in page["panels"] if panel["type"] == "row"]
    assert len(rows) == len(set(rows))
    assert titles
    taken: set[tuple[int, int]] = set()
    for panel in page["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24, panel["title"]
        cells = {(place["x"] + i, place["y"] + j) for i in range(place["w"]) for j in range(place["h"])}
        assert not cells & taken, panel["title"]
        taken |= cells
        letters = [target["refId"] for target in panel.get("targets", [])]
        assert len(letters) == len(set(letters)), panel["title"]


def test_prometheus_understands_every_query(tmp_path: Path) -> None:
    promtool = need("promtool")
    recorded = [{"record": f"query:{i}", "expr": query.expression} for i, query in enumerate(queries())]
    file = tmp_path / "queries.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": recorded}]}))
    done = subprocess.run([promtool, "check", "rules", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(recorded)} rules found" in done.stdout


def test_every_query_keeps_to_the_chosen_run() -> None:
    for query in queries():
        assert query.expression.count('{namespace=~".*"') == query.expression.count("{"), query


def test_queries_ask_for_metrics_that_there_are() -> None:
    known = {metric.name for metric in CATALOGUE} | {rule["record"] for rule in rules("record")}
    assert {name for query in queries() for name in metrics_in(query.expression)} <= known


def test_everything_that_is_measured_is_shown() -> None:
    recorded = {rule["record"]: metrics_in(rule["expr"]) for rule in rules("record")}
    shown = {name for query in queries() for name in metrics_in(query.expression)}
    shown |= {name for record in shown & recorded.keys() for name in recorded[record]}
    assert {metric.name for metric in CATALOGUE} <= shown
    assert {rule["record"] for rule in rules("record")} - shown == ONLY_FOR_ALERTS


ONLY_FOR_ALERTS = {
    "namespace:spiral_policy_lag:ratio",
    "namespace:spiral_learner_dropped:ratio10m",
    "namespace:spiral_learner_refused:ratio10m",
}
"""Recordings whose parts a dashboard shows one by one."""
