"""The learner that the suite plays: weights over gRPC, and a ROUTER that does what a case tells it to."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import zmq
from google.protobuf.message import DecodeError

from spiral.conformance.target import until
from spiral.v1 import learner_pb2_grpc
from spiral.v1.learner_pb2 import GetWeightsRequest, GetWeightsResponse, WeightsHeader
from spiral.v1.trajectory_pb2 import (
    VERDICT_ACCEPTED,
    ActorMessage,
    Answer,
    Heartbeat,
    Hello,
    LearnerMessage,
    Refused,
    TrajectoryHeader,
    Welcome,
)
from spiral.values.versions import Version
from spiral.wire import sockets
from spiral.wire.contract import version_from_proto, version_to_proto
from spiral.wire.curve import Keys
from spiral.wire.interceptor import StatusError
from spiral.wire.rpc import MAX_CHUNK_BYTES

MAX_MESSAGE_BYTES = 1 << 28
POLL_MS = 20
HEARTBEAT_S = 1.0
CLOSED_MS = 5_000
"""Longest wait for a socket to be gone."""


@dataclass(frozen=True, slots=True)
class Greeted:
    """A Hello."""

    hello: Hello
    peer: bytes
    """The connection."""
    at_s: float


@dataclass(frozen=True, slots=True)
class Delivered:
    """A trajectory as it came."""

    header: TrajectoryHeader
    frames: tuple[bytes, ...]
    peer: bytes
    credits: int
    """Credits that its connection had before."""


class PlayedWeights(learner_pb2_grpc.LearnerServiceServicer):
    """Serves weights, or damaged ones."""

    def __init__(self) -> None:
        self.version = Version()
        self.data = b""
        self.damaged: set[Version] = set()
        """Versions of which other bytes are sent than the header announces."""
        self.digests: set[str] = set()
        """What askers named."""
        self.calls = 0

    def GetWeights(  # noqa: N802  (gRPC's name)
        self, request: GetWeightsRequest, context: grpc.ServicerContext
    ) -> Iterator[GetWeightsResponse]:
        """The newest, in chunks."""
        self.calls += 1
        self.digests.add(request.contract_digest)
        version, data = self.version, self.data
        if version == Version():
            raise StatusError(grpc.StatusCode.UNAVAILABLE, "no weights yet")
        if request.HasField("if_newer_than") and version <= version_from_proto(request.if_newer_than):
            yield GetWeightsResponse(header=WeightsHeader(version=version_to_proto(version), modified=False))
            return
        header = WeightsHeader(
            version=version_to_proto(version),
            modified=True,
            total_bytes=len(data),
            sha256=hashlib.sha256(data).digest(),
        )
        yield GetWeightsResponse(header=header)
        sent = data[:-64] + bytes(byte ^ 1 for byte in data[-64:]) if version in self.damaged else data
        for start in range(0, len(sent), MAX_CHUNK_BYTES):
            yield GetWeightsResponse(chunk=sent[start : start + MAX_CHUNK_BYTES])


@dataclass(slots=True)
class PlayedLearner:
    """The learner's end of the trajectories; a thread owns the socket, cases set what it does and read what came."""

    context: zmq.Context[zmq.Socket[bytes]]
    address: str
    keys: Keys | None = None
    """Keys for CURVE."""
    weights: PlayedWeights = field(default_factory=PlayedWeights)
    lock: threading.RLock = field(default_factory=threading.RLock)
    greeted: list[Greeted] = field(default_factory=list)
    delivered: list[Delivered] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    """What came that is no message of the protocol."""
    welcome_credits: int = 1
    answer_credits: int = 1
    """Granted with each answer."""
    answering: bool = True
    """Otherwise trajectories get no answer."""
    silent: bool = False
    """Nothing at all is said."""
    beating: bool = True
    next_answer: dict[str, Any] | None = None
    """Fields of the next answer to a trajectory, instead of accepted."""
    next_refusal: dict[str, Any] | None = None
    """The next Hello is refused with these fields."""
    credits: dict[bytes, int] = field(default_factory=dict)
    _stop: threading.Event = field(default_factory=threading.Event)
    _hung_up: threading.Event = field(default_factory=threading.Event)
    _outbox: list[tuple[bytes, LearnerMessage]] = field(default_factory=list)

    @contextmanager
    def listening(self) -> Iterator[str]:
        """Listen for this block; the address with the real port."""
        router = sockets.router(self.context, self.address, self.keys)
        self.address = router.address
        thread = threading.Thread(target=self._run, args=(router,), name="played-learner", daemon=True)
        thread.start()
        try:
            yield self.address
        finally:
            self._stop.set()
            thread.join()

    @contextmanager
    def unanswering(self) -> Iterator[None]:
        """Trajectories that come in this block get no answer, ever."""
        with self.lock:
            self.answering = False
        try:
            yield
        finally:
            with self.lock:
                self.answering = True

    def hang_up(self) -> None:
        """End all connections, and listen again at the same address."""
        self._hung_up.set()
        until(lambda: not self._hung_up.is_set(), "the suite's own learner to listen again")

    def grant(self, count: int) -> None:
        """Give the newest connection credits, in a heartbeat."""
        with self.lock:
            peer = self.greeted[-1].peer
            self.credits[peer] = self.credits.get(peer, 0) + count
            self._outbox.append((peer, LearnerMessage(heartbeat=self._heartbeat(count))))

    def say(self, message: LearnerMessage) -> None:
        """Send a message to the newest connection."""
        with self.lock:
            self._outbox.append((self.greeted[-1].peer, message))

    def announce(self, version: Version) -> None:
        """Tell of a version, in a heartbeat without credits."""
        self.say(LearnerMessage(heartbeat=Heartbeat(version=version_to_proto(version))))

    def _heartbeat(self, credits: int = 0) -> Heartbeat:
        return Heartbeat(version=version_to_proto(self.weights.version), credits=credits)

    def _run(self, router: sockets.Router[zmq.Socket[bytes]]) -> None:
        beat_s = time.monotonic()
        while not self._stop.is_set():
            if self._hung_up.is_set():
                _close(router)
                with self.lock:
                    self.credits.clear()
                    self._outbox.clear()
                router = self._again()
                self._hung_up.clear()
            if router.socket.poll(POLL_MS):
                peer, *frames = router.socket.recv_multipart()
                with self.lock:
                    self._receive(peer, frames)
            if self.beating and time.monotonic() - beat_s >= HEARTBEAT_S:
                beat_s = time.monotonic()
                with self.lock:
                    for peer in self.credits:
                        self._outbox.append((peer, LearnerMessage(heartbeat=self._heartbeat())))
            self._send(router.socket)
        _close(router)

    def _again(self) -> sockets.Router[zmq.Socket[bytes]]:
        """Bind again; a port may be taken for a moment after its socket is gone."""
        end = time.monotonic() + CLOSED_MS / 1000
        while True:
            try:
                return sockets.router(self.context, self.address, self.keys)
            except ValueError:
                if time.monotonic() > end:
                    raise
                time.sleep(POLL_MS / 1000)

    def _send(self, socket: zmq.Socket[bytes]) -> None:
        with self.lock:
            messages, self._outbox[:] = self._outbox[:], []
        for peer, message in messages:
            if self.silent:
                continue
            try:
                socket.send_multipart([peer, message.SerializeToString()], zmq.NOBLOCK)
            except zmq.ZMQError:  # that connection has ended
                self.credits.pop(peer, None)

    def _receive(self, peer: bytes, frames: Sequence[bytes]) -> None:
        try:
            message = ActorMessage.FromString(frames[0])
        except (DecodeError, IndexError) as error:
            self.wrong.append(f"no ActorMessage: {error}")
            return
        kind = message.WhichOneof("message")
        if kind == "hello":
            if len(frames) != 1:
                self.wrong.append(f"a hello of {len(frames)} frames")
            self.greeted.append(Greeted(message.hello, peer, time.monotonic()))
            self._outbox.append((peer, self._greet(peer)))
        elif kind == "trajectory":
            had = self.credits.get(peer, 0)
            self.delivered.append(Delivered(message.trajectory, tuple(frames), peer, had))
            self.credits[peer] = max(0, had - 1)
            if self.answering:
                self._outbox.append((peer, LearnerMessage(answer=self._answer(peer, message.trajectory))))
        else:
            self.wrong.append("an ActorMessage that says nothing")

    def _greet(self, peer: bytes) -> LearnerMessage:
        if self.next_refusal is not None:
            refusal, self.next_refusal = self.next_refusal, None
            return LearnerMessage(refused=Refused(**refusal))
        self.credits[peer] = self.welcome_credits
        return LearnerMessage(
            welcome=Welcome(
                version=version_to_proto(self.weights.version),
                credits=self.welcome_credits,
                max_message_bytes=MAX_MESSAGE_BYTES,
                heartbeat_interval_ms=int(HEARTBEAT_S * 1000),
            )
        )

    def _answer(self, peer: bytes, header: TrajectoryHeader) -> Answer:
        fields: dict[str, Any] = {"verdict": VERDICT_ACCEPTED, "credits": self.answer_credits}
        if self.next_answer is not None:
            fields, self.next_answer = fields | self.next_answer, None
        self.credits[peer] = self.credits.get(peer, 0) + fields["credits"]
        return Answer(
            incarnation=header.incarnation,
            sequence=header.sequence,
            version=version_to_proto(self.weights.version),
            **fields,
        )


def _close(router: sockets.Router[zmq.Socket[bytes]]) -> None:
    """Close a ROUTER, and return when nobody listens any more.

    ZeroMQ closes in the background, and a late end of the old socket would remove the file of the next one.
    """
    monitor = router.socket.get_monitor_socket(zmq.EVENT_CLOSED)
    router.socket.unbind(router.socket.getsockopt_string(zmq.LAST_ENDPOINT).rstrip("\0"))
    monitor.poll(CLOSED_MS)
    router.socket.disable_monitor()
    monitor.close(linger=0)
    router.close()
