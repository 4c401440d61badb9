"""Probes as the kubelet asks them: when, how, and what follows from the answers."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from cluster.manifests import Object

Ask = Callable[[], str]
"""Asks once; empty: passed, otherwise why not."""


@dataclass(slots=True)
class Prober:
    """One probe of one running container: a state machine over the answers, no thread and no clock of its own."""

    initial_delay_s: float
    period_s: float
    success_threshold: int
    failure_threshold: int
    passed: bool | None = None
    """True after ``success_threshold`` answers in a row that passed, False after ``failure_threshold`` that did not;
    None before either."""
    why: str = ""
    """What the last failed answer said."""
    _next_s: float | None = None
    _in_a_row: int = 0
    _last: bool | None = field(default=None)

    def due(self, now_s: float, started_s: float) -> bool:
        """Whether to ask now; says so once a period."""
        if self._next_s is None:
            self._next_s = started_s + self.initial_delay_s
        if now_s < self._next_s:
            return False
        self._next_s = now_s + self.period_s
        return True

    def observe(self, failure: str) -> None:
        """Take one answer: empty where it passed."""
        ok = not failure
        self.why = failure or self.why
        self._in_a_row = self._in_a_row + 1 if ok is self._last else 1
        self._last = ok
        if self._in_a_row >= (self.success_threshold if ok else self.failure_threshold):
            self.passed = ok


def prober(spec: Object) -> Prober:
    """The state machine of a probe, with Kubernetes' own defaults."""
    return Prober(
        initial_delay_s=spec.get("initialDelaySeconds", 0),
        period_s=spec.get("periodSeconds", 10),
        success_threshold=spec.get("successThreshold", 1),
        failure_threshold=spec.get("failureThreshold", 3),
    )


def question(
    spec: Object, container: Object, address: str, execute: Callable[[Sequence[str], float], int | None]
) -> Ask:
    """How to ask this probe of the container at ``address``; ValueError if it is of no known kind."""
    timeout_s = float(spec.get("timeoutSeconds", 1))
    if "grpc" in spec:
        port, service = int(spec["grpc"]["port"]), spec["grpc"].get("service", "")
        return lambda: _grpc(f"{address}:{port}", service, timeout_s)
    if "httpGet" in spec:
        port = _port(spec["httpGet"]["port"], container)
        return lambda: _http(address, port, spec["httpGet"].get("path", "/"), timeout_s)
    if "tcpSocket" in spec:
        port = _port(spec["tcpSocket"]["port"], container)
        return lambda: _tcp(address, port, timeout_s)
    if "exec" in spec:
        return lambda: _code(execute(spec["exec"]["command"], timeout_s))
    raise ValueError(f"probe {spec}: expected grpc, httpGet, tcpSocket or exec")


def _grpc(address: str, service: str, timeout_s: float) -> str:
    # A connection of its own, as the kubelet makes one for each question.
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0)]
    with grpc.insecure_channel(address, options=options) as channel:
        try:
            request = health_pb2.HealthCheckRequest(service=service)
            answer = health_pb2_grpc.HealthStub(channel).Check(request, timeout=timeout_s, wait_for_ready=False)
        except grpc.RpcError as error:
            return f"{error.code().name}: {error.details()}"
    status = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
    return "" if status == "SERVING" else f'service "{service}" is {status}'


def _http(address: str, port: int, path: str, timeout_s: float) -> str:
    connection = http.client.HTTPConnection(address, port, timeout=timeout_s)
    try:
        connection.request("GET", path)
        status = connection.getresponse().status
    except OSError as error:
        return str(error)
    finally:
        connection.close()
    return "" if 200 <= status < 400 else f"HTTP status {status}"


def _tcp(address: str, port: int, timeout_s: float) -> str:
    try:
        socket.create_connection((address, port), timeout_s).close()
    except OSError as error:
        return str(error)
    return ""


def _code(code: int | None) -> str:
    if code is None:
        return "the command took too long"
    return "" if code == 0 else f"the command exited with {code}"


def _port(port: int | str, container: Object) -> int:
    """A port by number or by the name that the container gives it."""
    if isinstance(port, int):
        return port
    named = {item.get("name"): item["containerPort"] for item in container.get("ports", [])}
    if port not in named:
        raise ValueError(f'port "{port}" is none of container "{container["name"]}", which has {sorted(named)}')
    return int(named[port])
