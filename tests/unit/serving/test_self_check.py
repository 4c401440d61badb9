"""A service notices that its own gRPC server is silent, and only that."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from grpc_health.v1 import health_pb2_grpc

from spiral.serving.self_check import FAILURES, SelfCheck, loopback
from spiral.wire.health import Health
from spiral.wire.server import Server
from tests.support.processes import until

TICK_S, FAILED_S = 0.02, 0.2


@pytest.fixture
def stacks() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


class Checked:
    """A check at work, and how often it failed."""

    def __init__(self, address: str, stacks_to: int, ended: threading.Event | None = None) -> None:
        self.failures = 0
        self.check = SelfCheck(
            address, self._failed, ask_s=TICK_S, failed_s=FAILED_S, tick_s=TICK_S, stacks_to=stacks_to
        )
        if ended is not None:
            self.check._ended = ended
        self.check.start()

    def _failed(self) -> None:
        self.failures += 1


def test_a_server_that_accepts_and_says_nothing_is_counted_and_told_once_with_the_stacks(
    tmp_path: Path, stacks: tuple[int, int], caplog: pytest.LogCaptureFixture
) -> None:
    address = f"unix:{tmp_path}/s"
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(f"{tmp_path}/s")
        silent.listen()
        checked = Checked(address, stacks[1])
        until(lambda: checked.failures > 2 * FAILURES, "failures to be counted")
        checked.check.end()
    assert os.read(stacks[0], 1 << 16).count(b"most recent call first") >= 2, "all threads"
    assert len(caplog.messages) == 1
    assert caplog.messages[0].startswith(f"gRPC at {address} has not answered this process itself for")


def test_a_server_that_answers_is_no_failure_whether_it_serves_or_not(tmp_path: Path, stacks: tuple[int, int]) -> None:
    server = Server(f"unix:{tmp_path}/s", 2)
    health_pb2_grpc.add_HealthServicer_to_server(Health(), server)
    server.start()
    checked = Checked(server.address, stacks[1])
    until(lambda: checked.check._answers > 2 * FAILED_S / TICK_S, "answers")
    checked.check.end()
    server.close(0)
    assert checked.failures == 0


def test_time_without_the_processor_does_not_count(tmp_path: Path, stacks: tuple[int, int]) -> None:
    class Starved(threading.Event):
        """Each step comes ten times as late as it should."""

        ticks = 0

        def wait(self, timeout: float | None = None) -> bool:
            self.ticks += 1
            return super().wait(10 * (timeout or 0.0))

    starved = Starved()
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(f"{tmp_path}/s")
        silent.listen()
        checked = Checked(f"unix:{tmp_path}/s", stacks[1], starved)
        until(lambda: checked.failures, "a failure")
        assert starved.ticks > FAILED_S / TICK_S, "not after a tenth of the steps, when the clock has moved as far"
        checked.check.end()


@pytest.mark.parametrize(
    ("listening", "asked"),
    [
        ("0.0.0.0:50060", "127.0.0.1:50060"),
        ("[::]:1", "[::1]:1"),
        ("10.0.0.7:1", "10.0.0.7:1"),
        ("unix:/run/s", "unix:/run/s"),
    ],
)
def test_a_server_on_all_addresses_is_asked_at_loopback(listening: str, asked: str) -> None:
    assert loopback(listening) == asked
