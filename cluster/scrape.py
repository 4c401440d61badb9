"""Metrics pages of pods, read as Prometheus does."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterable

from prometheus_client.parser import text_string_to_metric_families

from cluster.pod import Pod

PORT_NAME = "metrics"


def page(pod: Pod, timeout_s: float = 5.0) -> str:
    """The page at the pod's port named ``metrics``; OSError if nobody answers."""
    ports = [port for item in pod.template.spec["containers"] for port in item.get("ports", [])]
    port = next(port["containerPort"] for port in ports if port.get("name") == PORT_NAME)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"http://{pod.address}:{port}/metrics", timeout=timeout_s) as answer:
        return str(answer.read().decode())


def total(pods: Iterable[Pod], sample: str, **labels: str) -> float:
    """The sum of a sample over all pods that answer and over all labels but those given; 0 where there is none."""
    values = 0.0
    for pod in pods:
        try:
            families = list(text_string_to_metric_families(page(pod))) if pod.address else []
        except OSError:
            continue
        for family in families:
            for item in family.samples:
                if item.name == sample and labels.items() <= item.labels.items():
                    values += item.value
    return values
