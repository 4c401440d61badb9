"""The learner's ingest on a real socket, for tests, and clients that say to it what a test tells them to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import zmq

from spiral.services.learner.admission import Admission
from spiral.services.learner.ingest_thread import Ingest
from spiral.serving.metrics import Metrics, new_metrics
from spiral.v1.trajectory_pb2 import Answer, LearnerMessage
from spiral.wire import sockets
from tests.support.trajectory_messages import make_admission

PATIENCE_MS = 30_000
NEVER_S = 3600.0
"""Interval of heartbeats for tests in which something else has to make the learner speak."""


class Client:
    """An actor that says what the test tells it to."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], address: str) -> None:
        self.socket = sockets.dealer(context, address)

    def ask(self, frames: Sequence[bytes | memoryview]) -> LearnerMessage:
        """Send, and read the next message."""
        self.socket.send_multipart(frames)
        return self.read()

    def read(self) -> LearnerMessage:
        """The next message; fails where none comes."""
        assert self.socket.poll(PATIENCE_MS), "no message from the learner"
        return LearnerMessage.FromString(self.socket.recv())

    def answer(self, frames: Sequence[bytes | memoryview]) -> Answer:
        """Send, and read the answer; heartbeats in between are skipped."""
        message = self.ask(frames)
        while message.HasField("heartbeat"):
            message = self.read()
        return message.answer


class Learner:
    """An ingest on an address, with its metrics."""

    def __init__(self, ingest: Ingest, metrics: Metrics, client: Callable[[], Client]) -> None:
        self.ingest = ingest
        self.metrics = metrics
        self.client = client

    def count(self, name: str, **labels: str) -> float:
        """Value of a metric."""
        value = self.metrics.registry.get_sample_value(name, labels)
        assert value is not None
        return value


@contextmanager
def learning(address: str, admission: Admission | None = None, heartbeat_s: float = NEVER_S) -> Iterator[Learner]:
    metrics = new_metrics("learner")
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    clients: list[Client] = []

    def client() -> Client:
        clients.append(Client(context, address))
        return clients[-1]

    router = sockets.router(context, address)
    with Ingest(router, admission or make_admission(), metrics, heartbeat_s=heartbeat_s) as ingest:
        yield Learner(ingest, metrics, client)
        for each in clients:
            each.socket.close()
    context.term()
