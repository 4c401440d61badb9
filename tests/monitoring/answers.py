"""What a Prometheus in the cluster of processes answers."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode

from cluster.pod import Pod

PORT = 9090


@dataclass(frozen=True, slots=True)
class Sample:
    """One series of an answer and its newest value."""

    labels: Mapping[str, str]
    value: float


def ask(pod: Pod, path: str, **parameters: str) -> Any:
    """``data`` of an answer of the HTTP API; AssertionError, with its own sentence, where it refuses."""
    # The environment's proxy, if it names one, does not reach this machine's own addresses.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        url = f"http://{pod.address}:{PORT}/api/v1/{path}?{urlencode(parameters)}"
        with opener.open(url, timeout=30) as reply:
            return json.load(reply)["data"]
    except HTTPError as error:
        raise AssertionError(f"{path} {parameters}: {error.read().decode()}") from error


def query(pod: Pod, expression: str) -> list[Sample]:
    """The values of an expression now."""
    data = ask(pod, "query", query=expression)
    assert data["resultType"] == "vector", f"{expression}: a {data['resultType']}"
    return [Sample(one["metric"], float(one["value"][1])) for one in data["result"]]


def largest(pod: Pod, expression: str) -> float | None:
    """The largest value of an expression now; None if there is none."""
    return max((sample.value for sample in query(pod, expression)), default=None)
