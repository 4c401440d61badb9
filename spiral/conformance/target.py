"""The service under test: its address, and what the cases of every service ask of it."""

from __future__ import annotations

import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from prometheus_client.parser import text_string_to_metric_families

from spiral.conformance.case import Failure, Skip
from spiral.conformance.process import END_S, Command
from spiral.v1 import info_pb2, info_pb2_grpc
from spiral.wire import rpc
from spiral.wire.edges import Service
from spiral.wire.tls import Identity

T = TypeVar("T")

DEADLINE_S = 60.0
"""Deadline of every call; a call that takes longer has failed, even on a busy machine."""
PATIENCE_S = 60.0
"""Longest wait for what has to come of itself."""
START_S = 120.0
"""Longest time from the start of a command until health says SERVING."""
REACH_S, ASSEMBLE_S = 30.0, 900.0
"""The same for a target that runs already, and for one that a person has yet to start with what the suite printed."""
POLL_S = 0.02


@dataclass(slots=True)
class Target:
    """A service at an address."""

    service: Service
    address: str
    identity: Identity | None = None
    """Certificate, key and authority for mutual TLS."""
    metrics_url: str = ""
    """URL of the metrics page; empty: the one that GetInfo names."""
    command: Command | None = None
    """Starts it; None: it runs already, and nobody restarts it."""
    drain_command: str = ""
    """Shell command that asks it to end, where it is not started here."""
    start_s: float = START_S
    """Longest wait for it at the beginning."""
    measurements: list[dict[str, Any]] = field(default_factory=list)
    """What the cases of group ``load`` measured."""
    _shared: grpc.Channel | None = None

    def start(self) -> None:
        """Start the command, if there is one, and wait until the target serves; Failure where it does not."""
        if self.command is not None and not self.command.running:
            self.close()
            self.command.start()
        self.await_serving()

    def await_serving(self) -> None:
        """Wait until health says SERVING; Failure where it does not within ``start_s``."""
        stub, last = health_pb2_grpc.HealthStub(self.channel), "no answer"
        end = time.monotonic() + self.start_s
        while time.monotonic() < end:
            if self.command is not None and not self.command.running:
                raise Failure(f"the command ended with {self.command.exit_code}: {self.command.tail()}")
            try:
                answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=2.0, wait_for_ready=True)
            except grpc.RpcError as error:
                last = f"{error.code().name}: {error.details()}"
                # Without a health service this can't come to anything.
                if error.code() == grpc.StatusCode.UNIMPLEMENTED:
                    raise Failure("it has no grpc.health.v1.Health service") from error
            else:
                if answer.status == health_pb2.HealthCheckResponse.SERVING:
                    return
                last = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
            time.sleep(POLL_S)
        raise Failure(f"{self.address} does not serve after {self.start_s:g} s ({last})")

    def revive(self) -> None:
        """Start the command again where it has ended, so that one case's harm is not the next one's."""
        if self.command is not None and not self.command.running:
            self.start()

    def close(self) -> None:
        """Close the channel that the cases share."""
        if self._shared is not None:
            self._shared.close()
            self._shared = None

    @property
    def channel(self) -> grpc.Channel:
        """A channel for single calls, which the cases share."""
        if self._shared is None:
            self._shared = rpc.connect(self.address, self.identity)
        return self._shared

    @contextmanager
    def connection(self) -> Iterator[grpc.Channel]:
        """A connection of its own, which ends with the block."""
        with rpc.connect(self.address, self.identity) as channel:
            yield channel

    @property
    def info(self) -> info_pb2.GetInfoResponse:
        """What GetInfo answers now."""
        stub = info_pb2_grpc.InfoServiceStub(self.channel)
        return stub.GetInfo(info_pb2.GetInfoRequest(), timeout=DEADLINE_S, wait_for_ready=True)

    def metrics(self) -> dict[str, float]:
        """Sum of the samples by name; Skip where there is no metrics page, Failure where it can't be read."""
        url = self.metrics_url or self.info.metrics_url
        if not url:
            raise Skip("GetInfo names no metrics page, and --metrics was not given")
        try:
            with urllib.request.urlopen(url, timeout=DEADLINE_S) as page:
                text = page.read().decode()
            sums: dict[str, float] = {}
            for family in text_string_to_metric_families(text):
                for sample in family.samples:
                    sums[sample.name] = sums.get(sample.name, 0.0) + sample.value
        except (urllib.error.URLError, ValueError) as error:
            raise Failure(f"the metrics page {url} can't be read as Prometheus' text format: {error}") from error
        return sums

    def gauge(self, name: str) -> float:
        """Value of a metric; Skip where the page does not have it."""
        found = self.metrics()
        if name not in found:
            raise Skip(f"the metrics page has no {name}")
        return found[name]

    def ask_to_end(self) -> None:
        """SIGTERM, or the drain command; Skip where there is neither."""
        if self.command is not None:
            self.command.terminate()
        elif self.drain_command:
            subprocess.run(self.drain_command, shell=True, check=True, timeout=END_S, stdin=subprocess.DEVNULL)
        else:
            raise Skip("neither --command nor --drain-command was given, so nobody can ask the target to end")

    def needs_command(self) -> Command:
        """The command that can be started again; Skip where there is none."""
        if self.command is None:
            raise Skip("--command was not given, so the target can't be restarted")
        return self.command

    def restart(self) -> None:
        """End the command and start it again; Skip where there is none."""
        command = self.needs_command()
        command.terminate()
        if command.wait() is None:
            raise Failure(f"it lives {END_S:g} s after SIGTERM")
        self.start()


def until(condition: Callable[[], T], what: str, timeout_s: float | None = None) -> T:
    """Ask until the answer is true; Failure that says ``what`` did not come within ``timeout_s`` or PATIENCE_S."""
    limit_s = PATIENCE_S if timeout_s is None else timeout_s
    end = time.monotonic() + limit_s
    while not (answer := condition()):
        if time.monotonic() > end:
            raise Failure(f"waited {limit_s:g} s in vain for {what}")
        time.sleep(POLL_S)
    return answer
