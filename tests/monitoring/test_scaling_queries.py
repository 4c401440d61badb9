"""What KEDA asks Prometheus: as many painters as the learner needs, and none for a run that has ended."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

from tests.monitoring.written import COMPONENTS, need

SCALED = COMPONENTS / "autoscaling-keda"
DEMAND, FINISHED, STREAMS = "spiral_learner_actor_demand", "spiral_learner_finished", "spiral_renderer_streams"
CASES = {
    "a run that learns": ({DEMAND: 3, FINISHED: 0, STREAMS: 20}, 3, 20),
    "a learner that waits for its first painters": ({DEMAND: 0, FINISHED: 0}, 1, 1),
    "a run that has ended": ({DEMAND: 3, FINISHED: 1, STREAMS: 20}, 0, 0),
    "no learner": ({STREAMS: 20}, None, 0),
    "nothing": ({}, None, 0),
}
"""Values of the metrics, and the answers to the queries for actors and renderers; None: nothing, KEDA's 0."""


def query(service: str) -> str:
    """The query of the component's ScaledObject for a service."""
    (trigger,) = yaml.safe_load((SCALED / f"{service}.yaml").read_text())["spec"]["triggers"]
    assert trigger["metadata"]["ignoreNullValues"] == "true"
    return str(trigger["metadata"]["query"])


@pytest.mark.parametrize("case", CASES)
def test_painters_are_as_many_as_there_is_work_for(case: str, tmp_path: Path) -> None:
    values, *answers = CASES[case]
    asked = [
        {
            "expr": query(service),
            "eval_time": "5m",
            "exp_samples": [] if answer is None else [{"labels": "{}", "value": answer}],
        }
        for service, answer in zip(("actor", "renderer"), answers, strict=True)
    ]
    series = [{"series": f'{name}{{pod="a"}}', "values": f"{value}x10"} for name, value in values.items()]
    cases = {"tests": [{"interval": "1m", "input_series": series, "promql_expr_test": asked}]}
    (tmp_path / "cases.yml").write_text(yaml.safe_dump(cases))
    done = subprocess.run(
        [need("promtool"), "test", "rules", "cases.yml"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("service", ["actor", "renderer"])
def test_the_last_painter_goes_too_and_none_leaves_within_five_minutes(service: str) -> None:
    spec = yaml.safe_load((SCALED / f"{service}.yaml").read_text())["spec"]
    assert spec["minReplicaCount"] == 0
    behavior = spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    assert behavior["scaleDown"]["stabilizationWindowSeconds"] == spec["cooldownPeriod"] == 300
