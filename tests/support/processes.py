"""Services as real processes, for the tests that need them."""

from __future__ import annotations

import itertools
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import grpc
import psutil
from grpc_health.v1 import health_pb2, health_pb2_grpc

from spiral.wire import rpc

T = TypeVar("T")

PATIENCE_S = 60.0
"""Whatever takes longer than this has failed; nothing is expected to take a tenth of it."""

_FIRST_PORT, _PORTS = 20_000, 12_000
_NUMBERS = itertools.count(os.getpid() * 997)


def start(service: str, listen: str, log: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """Start ``python -m spiral.services.<service>`` with output to ``log``, and wait until it says that it serves."""
    process = launch(service, "--listen", listen, *arguments, log=log)
    with rpc.connect(listen) as channel:
        stub = health_pb2_grpc.HealthStub(channel)

        def serves() -> bool:
            assert process.poll() is None, f"{service} ended with {process.returncode}: {log.read_text()}"
            try:
                answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=1.0, wait_for_ready=True)
            except grpc.RpcError:
                return False
            return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

        until(serves, f"{service} to serve")
    return process


def launch(service: str, *arguments: str, log: Path) -> subprocess.Popen[bytes]:
    """Start ``python -m spiral.services.<service>`` with its output in ``log``."""
    command: Sequence[str] = (sys.executable, "-m", f"spiral.services.{service}", *arguments)
    with log.open("ab") as out:
        return subprocess.Popen(command, stdout=out, stderr=out, stdin=subprocess.DEVNULL)


def until(condition: Callable[[], T], what: str, patience_s: float = PATIENCE_S) -> T:
    """Ask until the answer is true; fail after ``patience_s``."""
    end = time.monotonic() + patience_s
    while not (answer := condition()):
        assert time.monotonic() < end, f"waited {patience_s:g} s in vain for {what}"
        time.sleep(0.01)
    return answer


def has_ended(process: psutil.Process) -> bool:
    """Whether a process that need not be ours is gone, or would be, were somebody waiting for it."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def free_port() -> int:
    """A TCP port of this machine that nobody listens on.

    Each process counts on from a place of its own, below the ports that the system gives to whoever names none: what
    runs beside it does not take the port before it is used.
    """
    for number in itertools.islice(_NUMBERS, _PORTS):
        port = _FIRST_PORT + number % _PORTS
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise OSError(f"no port from {_FIRST_PORT} to {_FIRST_PORT + _PORTS - 1} is free")
