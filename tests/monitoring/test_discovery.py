"""Whom Prometheus asks: the same pods under the same names, by DNS and by the operator."""

from __future__ import annotations

import re
from typing import Any

import yaml

from spiral.wire.edges import METRICS_PORT, SERVICES
from tests.k8s.static.conftest import Rendered
from tests.k8s.static.objects import of_kind, only, pods, selects
from tests.monitoring.written import COMPONENTS, RULES

OPERATOR = COMPONENTS / "monitoring-operator"


def scraped() -> dict[str, dict[str, Any]]:
    """What prometheus.yml says of each job."""
    config = yaml.safe_load((COMPONENTS / "monitoring" / "config" / "prometheus.yml").read_text())
    return {job["job_name"]: job["dns_sd_configs"][0] for job in config["scrape_configs"]}


def test_every_service_is_a_job_and_found_before_it_is_ready(rendered: Rendered) -> None:
    objects = rendered("base + monitoring")
    jobs = scraped()
    assert jobs.keys() == {f"spiral-{service}" for service in SERVICES}
    for service in SERVICES:
        found = jobs[f"spiral-{service}"]
        assert found["port"] == METRICS_PORT
        assert found["type"] == "A"
        (name,) = found["names"]
        spec = only(objects, "Service", name)["spec"]
        assert spec["clusterIP"] == "None"
        assert spec["publishNotReadyAddresses"] is True
        chosen = [pod for pod in pods(objects) if selects({"matchLabels": spec["selector"]}, pod.labels)]
        assert [pod.containers[0]["name"] for pod in chosen] == [service]
        ports = {port["name"]: port["containerPort"] for port in chosen[0].containers[0]["ports"]}
        assert ports["metrics"] == METRICS_PORT


def test_the_operator_finds_the_same_pods_under_the_same_names(rendered: Rendered) -> None:
    objects = rendered("base + monitoring-operator")
    (monitor,) = of_kind(objects, "PodMonitor")
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    (relabelling,) = endpoint["relabelings"]
    assert relabelling["targetLabel"] == "job"
    label = "app.kubernetes.io/name"
    assert relabelling["sourceLabels"] == [f"__meta_kubernetes_pod_label_{re.sub(r'[^a-zA-Z0-9]', '_', label)}"]
    named = {
        relabelling["replacement"].replace("$1", pod.labels[label])
        for pod in pods(objects)
        if selects(monitor["spec"]["selector"], pod.labels)
        and any(port["name"] == endpoint["port"] for one in pod.containers for port in one.get("ports", []))
    }
    assert named == scraped().keys()


def test_the_operator_has_the_same_rules(rendered: Rendered) -> None:
    (rule,) = of_kind(rendered("base + monitoring-operator"), "PrometheusRule")
    assert rule["spec"] == yaml.safe_load(RULES.read_text())


def test_the_dashboards_are_found_by_the_label_that_collectors_look_for(rendered: Rendered) -> None:
    objects = rendered("base + monitoring-operator")
    labelled = [item for item in of_kind(objects, "ConfigMap") if "grafana_dashboard" in item["metadata"]["labels"]]
    assert len(labelled) == 3


def test_prometheus_and_grafana_have_no_rights_in_the_cluster(rendered: Rendered) -> None:
    objects = rendered("base + monitoring")
    assert not {"Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"} & {item["kind"] for item in objects}
    for name in ("prometheus", "grafana"):
        assert only(objects, "ServiceAccount", name)["automountServiceAccountToken"] is False
