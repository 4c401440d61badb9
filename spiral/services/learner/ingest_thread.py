"""The thread that receives trajectories: a ROUTER socket around ``admission.Admission``."""

from __future__ import annotations

import errno
import logging
import math
import os
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Self

import zmq

from spiral.services.learner.admission import HEARTBEAT_INTERVAL_S, Admission, Admitted, Reply
from spiral.v1.trajectory_pb2 import Answer, LearnerMessage, Reason, Refused, Verdict
from spiral.values.trajectories import Trajectory
from spiral.values.versions import Version
from spiral.wire.contract import version_from_proto
from spiral.wire.sockets import Router

if TYPE_CHECKING:
    from spiral.serving.metrics import Metrics

MESSAGES_AT_ONCE = 64
"""Messages received before heartbeats and freed slots have their turn."""
COMPLAINT_INTERVAL_S = 10.0
"""Shortest time between two log lines about refusals for the same reason; the metrics count every refusal."""

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Arrived:
    """An accepted trajectory, in a slot of the queue until it is released."""

    trajectory: Trajectory
    """Read-only views of the frames that it came in, unaligned; valid as long as they are referenced."""
    oldest_version: Version
    newest_version: Version
    actor_id: str
    duration_s: float
    """Seconds that it took to paint."""
    _free: Callable[[], None] | None

    def release(self) -> None:
        """Give the slot back after the trajectory was copied or used; a second call does nothing."""
        free, self._free = self._free, None
        if free is not None:
            free()


class Ingest:
    """Accepts trajectories on a bound ROUTER and hands them out in order::

        with Ingest(sockets.router(context, address), admission, metrics) as ingest:
            while (arrived := ingest.take(timeout_s=1.0)) is None: ...
            batch.add(arrived.trajectory)
            arrived.release()

    The thread owns socket and state machine; the learner's thread calls take, tell, set_version, stop and release.
    Leaving the block closes the socket and counts trajectories that were not released as dropped.
    """

    def __init__(
        self,
        router: Router[zmq.Socket[bytes]],
        admission: Admission,
        metrics: Metrics,
        *,
        heartbeat_s: float = HEARTBEAT_INTERVAL_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._router = router
        self._socket = router.socket
        self._admission = admission
        self._metrics = metrics
        self._heartbeat_s = heartbeat_s
        self._clock = clock
        self._arrived: queue.SimpleQueue[Arrived] = queue.SimpleQueue()
        self._freed: deque[None] = deque()
        self._waited: deque[bool] = deque()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._closing = False
        self._failure: BaseException | None = None
        self._complained: dict[str, float] = {}
        self.painted_s = 0.0
        """Seconds that all accepted trajectories took to paint, summed over groups of canvases."""
        self._thread = threading.Thread(target=self._run, name="ingest", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing = True
        os.eventfd_write(self._wake, 1)
        self._thread.join()
        if lost := self._admission.queued - len(self._freed):
            self._metrics["spiral_learner_dropped_total"].labels(reason="stopping").inc(lost)
            _log.info("dropped %d accepted trajectories: no time is left to learn from them", lost)
        self._router.close()
        os.close(self._wake)

    @property
    def actors(self) -> int:
        """Actors that are connected and share the contract."""
        return self._admission.actors

    @property
    def most_actors(self) -> float:
        """Actors that could paint all the time if the queue were at its largest."""
        return self._admission.most_actors

    def take(self, timeout_s: float) -> Arrived | None:
        """The trajectory that has waited longest, or None after ``timeout_s`` without one.

        RuntimeError if an error has stopped the thread.
        """
        try:
            return self._arrived.get(timeout=timeout_s)
        except queue.Empty:
            if self._failure is not None:
                raise RuntimeError("the ingest thread has stopped") from self._failure
            return None

    def set_version(self, version: Version) -> None:
        """Announce newer weights to the actors in all messages from now on."""
        if version.generation != self._admission.version.generation:
            raise ValueError(
                f"version: {version}; expected generation {self._admission.version.generation}, that of this process"
            )
        self._admission.version = version

    def stop(self) -> None:
        """Refuse all further messages; the refusals say that the learner is stopping."""
        self._admission.stopping = True

    def tell(self, waited: bool) -> None:
        """Report that the learner waited for trajectories, or found its next batch ready; slots follow it."""
        self._waited.append(waited)
        self._wake_up()

    def _free_slot(self) -> None:
        self._freed.append(None)
        self._wake_up()

    def _wake_up(self) -> None:
        if not self._closing:
            os.eventfd_write(self._wake, 1)

    def _run(self) -> None:
        try:
            self._serve()
        except BaseException as error:
            self._failure = error
            _log.exception("the ingest thread has stopped")

    def _serve(self) -> None:
        poller = zmq.Poller()
        poller.register(self._socket, zmq.POLLIN)
        poller.register(self._wake, zmq.POLLIN)
        next_heartbeat = self._clock() + self._heartbeat_s
        while not self._closing:
            events = dict(poller.poll(math.ceil(max(0.0, next_heartbeat - self._clock()) * 1000)))
            if self._wake in events:
                os.eventfd_read(self._wake)
            while self._freed:
                self._freed.popleft()
                self._send(self._admission.free_slot())
            while self._waited:
                if self._waited.popleft():
                    self._send(self._admission.starved())
                else:
                    self._admission.fed()
            if self._socket in events:
                self._receive()
            if self._clock() >= next_heartbeat:
                self._send(self._admission.heartbeats())
                next_heartbeat = self._clock() + self._heartbeat_s
            queued = self._admission.queued
            self._metrics["spiral_learner_queue_messages"].set(queued)
            self._metrics["spiral_learner_queue_bytes"].set(queued * self._admission.message_bytes)
            self._metrics["spiral_learner_slots"].set(self._admission.slots.count)
            self._metrics["spiral_learner_actors"].set(self._admission.actors)

    def _receive(self) -> None:
        for _ in range(MESSAGES_AT_ONCE):
            try:
                identity, *frames = self._socket.recv_multipart(zmq.NOBLOCK, copy=False)
            except zmq.Again:
                return
            decision = self._admission.receive(identity.bytes, [frame.buffer for frame in frames])
            for _, message in decision.replies:
                self._count(message)
            if decision.admitted is not None:
                self._arrived.put(self._arrival(decision.admitted))
            self._send(decision.replies)

    def _arrival(self, admitted: Admitted) -> Arrived:
        header = admitted.header
        self.painted_s += header.duration_s
        return Arrived(
            admitted.trajectory,
            version_from_proto(header.oldest_version),
            version_from_proto(header.newest_version),
            header.actor_id,
            header.duration_s,
            self._free_slot,
        )

    def _send(self, replies: list[Reply]) -> None:
        waiting = deque(replies)
        while waiting:
            peer, message = waiting.popleft()
            try:
                self._socket.send_multipart([peer, message.SerializeToString()], zmq.NOBLOCK)
            except zmq.ZMQError as error:
                # Host unreachable: its connection has ended. Again: it has left a thousand answers unread.
                if error.errno not in (errno.EHOSTUNREACH, errno.EAGAIN):
                    raise
                waiting.extend(self._admission.forget(peer))

    def _count(self, message: LearnerMessage) -> None:
        if message.HasField("answer"):
            verdict = Verdict.Name(message.answer.verdict).removeprefix("VERDICT_").lower()
            self._metrics["spiral_learner_trajectories_total"].labels(verdict=verdict).inc()
            if message.answer.reason:
                self._complain("trajectory", message.answer)
        elif message.HasField("refused"):
            self._complain("hello", message.refused)

    def _complain(self, what: str, refusal: Answer | Refused) -> None:
        reason = Reason.Name(refusal.reason).removeprefix("REASON_").lower()
        self._metrics["spiral_learner_refused_total"].labels(reason=reason).inc()
        now = self._clock()
        if now - self._complained.get(reason, -COMPLAINT_INTERVAL_S) >= COMPLAINT_INTERVAL_S:
            self._complained[reason] = now
            _log.warning("refused a %s (%s): %r", what, reason, refusal.detail)
