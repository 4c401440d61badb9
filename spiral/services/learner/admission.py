"""The learner's side of the trajectory protocol (trajectory.proto) as a state machine.

It owns no socket, no thread and no clock: events go in, messages to send come out. A slot of the queue is in one of
three states: *free*, *outstanding* (an actor holds a credit for it), or *queued* (it holds a trajectory). A credit is
granted only for a free slot, so an accepted trajectory always has a place. The number of slots follows need
(:class:`~spiral.services.learner.slots.Slots`); :mod:`spiral.services.learner.credits` decides who gets one.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

from spiral.services.learner.credits import Credits
from spiral.services.learner.duplicates import AcceptedSequences
from spiral.services.learner.slots import Slots
from spiral.services.learner.validation import (
    MAX_HEADER_BYTES,
    RefusedError,
    check_digest,
    check_header,
    check_sender,
    check_values,
    parse,
    view,
)
from spiral.v1.trajectory_pb2 import (
    REASON_MALFORMED,
    REASON_NO_CREDIT,
    REASON_NO_HELLO,
    REASON_SIZE,
    REASON_STOPPING,
    VERDICT_ACCEPTED,
    VERDICT_DUPLICATE,
    VERDICT_REFUSED,
    Answer,
    Heartbeat,
    Hello,
    LearnerMessage,
    Refused,
    TrajectoryHeader,
    Welcome,
)
from spiral.values.trajectories import Trajectory, TrajectoryContract
from spiral.values.versions import Version
from spiral.wire.contract import version_to_proto

HEARTBEAT_INTERVAL_S = 2.0
"""Time between heartbeats; an actor gives up after five that are missing."""

_log = logging.getLogger(__name__)

Reply = tuple[bytes, LearnerMessage]
"""The peer (ZeroMQ's routing id) and the message for it."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """An accepted trajectory; its arrays are views of the frames that it came in."""

    trajectory: Trajectory
    header: TrajectoryHeader


@dataclass(slots=True)
class Decision:
    """What to do about a message."""

    replies: list[Reply] = field(default_factory=list)
    admitted: Admitted | None = None


class Admission:
    """Decides who may send, and what is accepted.

    ``batch``: episodes in a trajectory message; ``credits_per_actor``: most credits that an actor holds at a time;
    ``fresh_batches``: see :class:`~spiral.services.learner.slots.Slots`.
    Raises ValueError if a learner's batch could never be filled.
    """

    def __init__(
        self,
        contract: TrajectoryContract,
        version: Version,
        *,
        batch: int,
        learner_batch: int,
        queue: int,
        queue_bytes: int,
        credits_per_actor: int,
        fresh_batches: int | None = None,
    ) -> None:
        self.contract = contract
        self.digest = contract.digest
        self.version = version
        """Newest weights; its generation never changes."""
        self.message_bytes = contract.nbytes(batch)
        """Bytes of a trajectory in the queue."""
        self.max_message_bytes = self.message_bytes + MAX_HEADER_BYTES
        self.slots = Slots(
            contract,
            batch=batch,
            learner_batch=learner_batch,
            queue=queue,
            queue_bytes=queue_bytes,
            fresh_batches=fresh_batches,
        )
        self.credits = Credits(credits_per_actor)
        self.queued = 0
        self.stopping = False
        self._batch = batch
        self._accepted = AcceptedSequences()

    @property
    def outstanding(self) -> int:
        """Credits that actors hold."""
        return self.credits.outstanding

    @property
    def free(self) -> int:
        """Slots that are neither queued nor promised."""
        return self.slots.count - self.queued - self.outstanding

    @property
    def actors(self) -> int:
        """Actors that said hello and are still connected."""
        return len(self.credits.peers)

    @property
    def most_actors(self) -> float:
        """Number of actors that could hold all their credits at the same time."""
        return self.slots.most / self.credits.per_actor

    def receive(self, peer: bytes, frames: Sequence[memoryview]) -> Decision:
        """Decide about a message of ``peer``; never raises, whatever the frames hold."""
        try:
            message = parse(frames[0] if frames else b"")
        except RefusedError as refusal:
            return Decision([self._refuse(peer, TrajectoryHeader(), refusal)])
        if message.HasField("hello"):
            return Decision(self._hello(peer, message.hello, len(frames)))
        header = message.trajectory
        try:
            trajectory = self._check(peer, header, frames)
        except RefusedError as refusal:
            replies, granted = self._granted(peer)
            return Decision([self._refuse(peer, header, refusal, granted), *replies])
        if trajectory is not None:
            self.queued += 1
            self._accepted.add((header.actor_id, header.incarnation), header.sequence)
        replies, granted = self._granted(peer)
        verdict = VERDICT_DUPLICATE if trajectory is None else VERDICT_ACCEPTED
        answer = Answer(incarnation=header.incarnation, sequence=header.sequence, verdict=verdict)
        admitted = None if trajectory is None else Admitted(trajectory, header)
        return Decision([self._answer(peer, answer, granted), *replies], admitted)

    def free_slot(self) -> list[Reply]:
        """Take back the slot of a queued trajectory."""
        if not self.queued:
            raise ValueError("a slot was freed that held no trajectory")
        self.queued -= 1
        return self._granted()[0]

    def starved(self) -> list[Reply]:
        """The learner waits for trajectories: add a slot if some actor waits for a credit."""
        self.slots.starved(self.queued, wanted=self.credits.wanted and self.free <= 0)
        return self._granted()[0]

    def fed(self) -> None:
        """The learner found its next batch ready: if more than that has waited for long, remove a slot."""
        self.slots.fed(self.queued)

    def forget(self, peer: bytes) -> list[Reply]:
        """Take back the credits of a peer whose connection has ended."""
        if (gone := self.credits.forget(peer)) is not None:
            (actor, _), credits = gone
            _log.info("actor %r is gone, with %d credits", actor, credits)
        return self._granted()[0]

    def heartbeats(self) -> list[Reply]:
        """A sign of life for every actor."""
        return [(peer, self._heartbeat()) for peer in self.credits.peers]

    def _hello(self, peer: bytes, hello: Hello, frames: int) -> list[Reply]:
        self.credits.forget(peer)  # the credits of the old hello end, whatever becomes of the new one
        try:
            if frames != 1:
                raise RefusedError(REASON_MALFORMED, f"hello: {frames - 1} frames follow it; expected none")
            check_sender(hello.actor_id)
            check_digest(hello.contract_digest, self.digest)
            if self.stopping:
                raise RefusedError(REASON_STOPPING, "the learner is stopping")
        except RefusedError as refusal:
            refused = Refused(reason=refusal.reason, detail=refusal.detail, contract_digest=self.digest)
            return [(peer, LearnerMessage(refused=refused)), *self._granted()[0]]
        self.credits.hello(peer, (hello.actor_id, hello.incarnation))
        replies, granted = self._granted(peer)
        welcome = Welcome(
            version=version_to_proto(self.version),
            credits=granted,
            max_message_bytes=self.max_message_bytes,
            heartbeat_interval_ms=int(HEARTBEAT_INTERVAL_S * 1000),
        )
        return [(peer, LearnerMessage(welcome=welcome)), *replies]

    def _check(self, peer: bytes, header: TrajectoryHeader, frames: Sequence[memoryview]) -> Trajectory | None:
        """The trajectory, or None if it is a duplicate. Spends the credit."""
        sender = header.actor_id, header.incarnation
        credits = self.credits.of(peer, sender)
        if credits is None:
            raise RefusedError(
                REASON_NO_HELLO, f'actor "{header.actor_id[:128]}" has not said hello on this connection'
            )
        if not credits:
            raise RefusedError(
                REASON_NO_CREDIT, f'actor "{header.actor_id}" has no credit; one is granted when a slot frees'
            )
        self.credits.spend(peer)
        if self.stopping:
            raise RefusedError(REASON_STOPPING, "the learner is stopping")
        total = sum(len(frame) for frame in frames)
        if total > self.max_message_bytes:
            raise RefusedError(REASON_SIZE, f"message: {total} bytes; expected at most {self.max_message_bytes}")
        check_header(header, self.contract, self.version)
        if (sender, header.sequence) in self._accepted:
            return None
        trajectory = view(header, frames[1:], self.contract, self._batch)
        check_values(trajectory, self.contract)
        return trajectory

    def _granted(self, asking: bytes | None = None) -> tuple[list[Reply], int]:
        """Grant all free slots: heartbeats tell the others; the number for ``asking`` goes into its answer."""
        granted = self.credits.grant(0 if self.stopping else self.free)
        for_asking = granted.pop(asking, 0) if asking is not None else 0
        return [(peer, self._heartbeat(credits)) for peer, credits in granted.items()], for_asking

    def _refuse(self, peer: bytes, header: TrajectoryHeader, refusal: RefusedError, credits: int = 0) -> Reply:
        answer = Answer(
            incarnation=header.incarnation,
            sequence=header.sequence,
            verdict=VERDICT_REFUSED,
            reason=refusal.reason,
            detail=refusal.detail,
        )
        return self._answer(peer, answer, credits)

    def _answer(self, peer: bytes, answer: Answer, credits: int) -> Reply:
        answer.version.CopyFrom(version_to_proto(self.version))
        answer.credits = credits
        return peer, LearnerMessage(answer=answer)

    def _heartbeat(self, credits: int = 0) -> LearnerMessage:
        return LearnerMessage(heartbeat=Heartbeat(version=version_to_proto(self.version), credits=credits))
