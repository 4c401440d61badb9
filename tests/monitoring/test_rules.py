"""The rules: each fires when it should and does not when it should not."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from spiral.serving.metrics import CATALOGUE
from tests.monitoring.written import COMPONENTS, RULES, metrics_in, need, rules

CASES = sorted((Path(__file__).parent / "rules").glob("*.yml"))

MUTANTS = [
    ("frames", "namespace:spiral_learner_frames:rate5m == 0", "namespace:spiral_learner_frames:rate5m < 100"),
    ("frames", "spiral_learner_finished) == 0)\n          or", "spiral_learner_finished) >= 0)\n          or"),
    ("frames", "\n          or absent(spiral_learner_frames_total)", ""),
    ("services", "discriminator)\"}) > 0", "discriminator)\"}) > 1"),
    ("services", "count by (namespace, job) (up{job=~\"spiral-", "count by (namespace, job) (up{job=~\".*|spiral-"),
    ("starved", "{peer=\"actor\"} > 0.8", " > 0.8"),
    ("starved", "{peer=\"actor\"} > 0.8", "{peer=\"actor\"} > 0.4"),
    ("starved", "\n          and on (namespace) max by (namespace) (spiral_learner_finished) == 0\n        for: 15m",
     "\n        for: 15m"),
    ("discriminator", "deviations < 0.1", "deviations < 3"),
    ("discriminator", "deviation{kind=\"real\"}) == 0", "deviation{kind=\"real\"}) == 9"),
    ("discriminator", "[15m])) > 0", "[15m])) >= 0"),
    ("lag", "ratio > 0.5", "ratio > 0.2"),
    ("lag", "ratio10m > 0.05", "ratio10m > 0.5"),
    ("lag", "spiral_learner_dropped_total{reason=\"lag\"}", "spiral_learner_dropped_total"),
    ("entropy", "ratio < 0.05", "ratio < 0.6"),
    ("entropy", "sum by (namespace) (spiral_learner_entropy)", "min by (namespace) (spiral_learner_entropy)"),
    ("refused", "{reason!~\"stopping|generation|no_hello|no_credit\"}", ""),
    ("refused", "\n          or on (namespace) namespace:spiral_learner_refused:ratio10m > 0.1", ""),
    ("restarts", ">= 3", ">= 2"),
    ("restarts", ">= 3", ">= 4"),
    ("restarts", "(spiral_learner_generation > 0)", "(spiral_learner_generation >= 0)"),
    ("restarts", "changes(spiral_start", "count_over_time(spiral_start"),
    ("checkpoints", "> 5 * max by (namespace, job) (spiral_learner", "> 3 * max by (namespace, job) (spiral_learner"),
    ("checkpoints", "[5m])) > 0)", "[5m])) >= 0)"),
]  # fmt: skip
"""A file of cases, and a change to the rules that it has to notice."""


def run_cases(cases: Path, text: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """What promtool says of cases with ``text`` for the rules."""
    promtool = need("promtool")
    (folder / "spiral.yml").write_text(text)
    shutil.copy(cases, folder / "cases.yml")
    return subprocess.run(
        [promtool, "test", "rules", "cases.yml"], cwd=folder, capture_output=True, text=True, check=False
    )


def cases_of(key: str) -> list[dict[str, Any]]:
    """``alert_rule_test`` or ``promql_expr_test`` of all files."""
    found = [case for file in CASES for test in yaml.safe_load(file.read_text())["tests"] for case in test.get(key, [])]
    assert found
    return found


@pytest.mark.parametrize("cases", CASES, ids=lambda path: path.stem)
def test_rules_say_what_their_cases_expect(cases: Path, tmp_path: Path) -> None:
    done = run_cases(cases, RULES.read_text(), tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(("file", "old", "new"), MUTANTS)
def test_cases_notice_a_change_of_the_rules(file: str, old: str, new: str, tmp_path: Path) -> None:
    text = RULES.read_text()
    assert old in text
    (cases,) = [path for path in CASES if path.stem == file]
    done = run_cases(cases, text.replace(old, new), tmp_path)
    assert "FAILED" in done.stdout + done.stderr
    assert "got" in done.stdout + done.stderr, "it is a case that fails, not the reading of the rules"


def test_every_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not() -> None:
    cases = cases_of("alert_rule_test")
    for alert in (rule["alert"] for rule in rules("alert")):
        assert {bool(case.get("exp_alerts")) for case in cases if case["alertname"] == alert} == {True, False}, alert


def test_every_recording_has_a_case_with_its_value() -> None:
    tested = {case["expr"] for case in cases_of("promql_expr_test") if case["exp_samples"]}
    assert {rule["record"] for rule in rules("record")} <= tested


def test_the_configuration_of_prometheus_is_in_order(tmp_path: Path) -> None:
    promtool = need("promtool")
    shutil.copy(COMPONENTS / "monitoring" / "config" / "prometheus.yml", tmp_path)
    shutil.copy(RULES, tmp_path / "rules.yml")
    command = [promtool, "check", "config", "--lint-fatal", "prometheus.yml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_rules_use_metrics_that_there_are() -> None:
    recorded = {rule["record"] for rule in rules("record")}
    used = {name for rule in rules() for name in metrics_in(rule["expr"])}
    assert used <= recorded | {metric.name for metric in CATALOGUE}
