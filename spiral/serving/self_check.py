"""Asks the process's own gRPC server for its health, and logs the stacks of all threads if it does not answer.

On a starved node gRPC once stopped answering for good while the metrics page and other threads went on. This check only
reports and counts it; Kubernetes' probes and the launcher restart such a process.
"""

from __future__ import annotations

import faulthandler
import logging
import threading
from collections.abc import Callable

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from spiral.wire.addresses import socket_path
from spiral.wire.rpc import connect

ASK_S = 5.0
"""Time between two questions."""
FAILED_S = 10.0
"""Time without an answer that counts as a failure. Only the process's own time counts, see ``TICK_S``."""
FAILURES = 3
"""Failures in a row after which the stacks are logged."""
TICK_S = 1.0
"""Step in which the process's own time is counted. A step that comes late, because other processes had the processor,
counts no more than others."""
WILDCARDS = {"0.0.0.0": "127.0.0.1", "*": "127.0.0.1", "[::]": "[::1]"}
STANDARD_ERROR = 2

_log = logging.getLogger(__name__)


class SelfCheck:
    """Checks the server at ``address`` from :meth:`start` on, and calls ``failed`` at each failure.

    One thread asks, and may hang with gRPC. Another thread counts.
    """

    def __init__(
        self,
        address: str,
        failed: Callable[[], object],
        *,
        ask_s: float = ASK_S,
        failed_s: float = FAILED_S,
        tick_s: float = TICK_S,
        stacks_to: int = STANDARD_ERROR,
    ) -> None:
        self._address = loopback(address)
        self._failed = failed
        self._ask_s, self._failed_s, self._tick_s = ask_s, failed_s, tick_s
        self._stacks_to = stacks_to
        self._answers = 0
        self._ended = threading.Event()

    def start(self) -> None:
        """Begin to check. Start the server before."""
        for target in (self._ask, self._count):
            threading.Thread(target=target, name="self-check", daemon=True).start()

    def end(self) -> None:
        """Stop checking."""
        self._ended.set()

    def _ask(self) -> None:
        with connect(self._address) as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            while not self._ended.wait(self._ask_s):
                try:
                    stub.Check(health_pb2.HealthCheckRequest(), timeout=FAILURES * self._failed_s)
                    self._answers += 1
                except grpc.RpcError as error:
                    _log.debug("the own health check failed: %s", error)

    def _count(self) -> None:
        answers, failures, silent_s = 0, 0, 0.0
        while not self._ended.wait(self._tick_s):
            silent_s += self._tick_s
            if self._answers != answers:
                answers, failures, silent_s = self._answers, 0, 0.0
            elif silent_s >= (failures + 1) * self._failed_s:
                failures += 1
                self._failed()
                if failures == FAILURES:
                    self._tell(silent_s)

    def _tell(self, silent_s: float) -> None:
        _log.error(
            "gRPC at %s has not answered this process itself for %.0f s; the stacks of all threads follow",
            self._address,
            silent_s,
        )
        faulthandler.dump_traceback(self._stacks_to, all_threads=True)


def loopback(address: str) -> str:
    """The address at which this machine reaches a server that listens on ``address``."""
    if socket_path(address) is not None:
        return address
    host, _, port = address.rpartition(":")
    return f"{WILDCARDS.get(host, host)}:{port}"
