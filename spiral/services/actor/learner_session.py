"""The actor's side of the trajectory protocol (trajectory.proto) as a state machine.

It owns no socket, no task and no clock: events and the time go in, decisions come out. A trajectory *waits* until
there is a credit for it, is then *unanswered*, and finally has an outcome. A welcome puts unanswered trajectories in
front of waiting ones; a new generation of the learner drops both.
"""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass, field
from typing import Literal

from spiral.services.actor.repeated_failure import RepeatedFailure
from spiral.services.actor.trajectory_message import Frames, trajectory_message
from spiral.v1.trajectory_pb2 import (
    REASON_NO_HELLO,
    REASON_STOPPING,
    VERDICT_ACCEPTED,
    VERDICT_DUPLICATE,
    ActorMessage,
    Answer,
    Hello,
    LearnerMessage,
    Reason,
    Refused,
    Welcome,
)
from spiral.values.trajectories import Trajectory
from spiral.values.versions import Version
from spiral.wire.contract import version_from_proto

SILENCE_S = 10.0
"""After this long without a message the actor takes the learner for dead; five heartbeats are then missing."""
IDLE_S = 30.0
"""Credits that stay unused for this long, because no episode ends, are given back; others may wait for them."""
RETRY_S = 2.0
"""Wait before the next hello if the learner was stopping; its successor is up soon."""

_log = logging.getLogger(__name__)

Outcome = Literal["accepted", "duplicate", "refused", "dropped"]


class ContractError(ValueError):
    """Learner and actor can't work together; the sentence says why."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A trajectory in its encoding for the wire."""

    sequence: int
    generation: int
    """Generation of the oldest weights that painted it."""
    frames: Frames

    @property
    def nbytes(self) -> int:
        """Bytes of all frames."""
        return sum(len(frame) for frame in self.frames)


@dataclass(slots=True)
class Decision:
    """What to do now, in the order of the fields."""

    reconnect: bool = False
    """Close the connection and open a new one."""
    messages: list[Frames] = field(default_factory=list)
    """Send these."""
    outcomes: list[tuple[int, Outcome]] = field(default_factory=list)
    """Outcomes of trajectories, by sequence number."""


class LearnerSession:
    """What an actor says to the learner, and when."""

    def __init__(self, actor_id: str, incarnation: int, contract_digest: str) -> None:
        self._hello = Hello(actor_id=actor_id, incarnation=incarnation, contract_digest=contract_digest)
        self._welcomed = False
        self._hello_at: float | None = None
        """When to say hello again on this connection; None: not needed."""
        self._heard_at = 0.0
        self._silence = RepeatedFailure()
        self._used_at = 0.0
        self._max_message_bytes = 0
        self._sequence = 0
        self._waiting: deque[Outgoing] = deque()
        self._unanswered: dict[int, Outgoing] = {}
        self.credits = 0
        self.version = Version()
        """Newest weights that the learner has announced; 0.0 before its first message."""

    def waits(self, sequence: int) -> bool:
        """Whether a trajectory still waits for a credit."""
        return any(outgoing.sequence == sequence for outgoing in self._waiting)

    def connected(self, now: float) -> Decision:
        """A new connection exists: say hello on it."""
        self._heard_at = now
        return Decision(messages=[self._say_hello()])

    def offer(
        self, trajectory: Trajectory, oldest: Version, newest: Version, duration_s: float, now: float
    ) -> tuple[int, Decision]:
        """Take a finished trajectory and return its sequence number."""
        self._sequence += 1
        frames = trajectory_message(self._hello, self._sequence, trajectory, oldest, newest, duration_s)
        self._waiting.append(Outgoing(self._sequence, oldest.generation, frames))
        self._used_at = now
        decision = Decision()
        self._drop_old_generations(decision)
        return self._sequence, self._send(decision)

    def receive(self, message: LearnerMessage, now: float) -> Decision:
        """Process a message from the learner. ContractError if it says that the two can't work together."""
        self._heard_at = now
        self._silence.ended()
        decision = Decision()
        match message.WhichOneof("message"):
            case "welcome":
                self._welcome(message.welcome, now)
            case "refused":
                self._refused(message.refused, now)
            case "answer":
                self._answer(message.answer, decision)
            case "heartbeat" if self._welcomed:
                self.version = version_from_proto(message.heartbeat.version)
                self.credits += message.heartbeat.credits
        self._drop_old_generations(decision)
        return self._send(decision)

    def disconnected(self, now: float) -> Decision:
        """The connection has ended: say hello on a new one, which waits until the learner is back."""
        _log.warning("the connection to the learner has ended; connecting again")
        return self._connect_again(now)

    def tick(self, now: float) -> Decision:
        """Time has passed."""
        if now - self._heard_at >= SILENCE_S:
            if (times := self._silence.failed(now)) is not None:
                silence_s = now - self._heard_at
                _log.warning("no message from the learner for %.0f s; connecting again%s", silence_s, times)
            return self._connect_again(now)
        idle = self.credits and not self._waiting and not self._unanswered and now - self._used_at >= IDLE_S
        if idle or (self._hello_at is not None and now >= self._hello_at):
            return Decision(messages=[self._say_hello()])
        return Decision()

    def _connect_again(self, now: float) -> Decision:
        decision = self.connected(now)
        decision.reconnect = True
        return decision

    def _say_hello(self) -> Frames:
        self._welcomed = False
        self._hello_at = None
        self.credits = 0
        return [ActorMessage(hello=self._hello).SerializeToString()]

    def _welcome(self, welcome: Welcome, now: float) -> None:
        # Answers come in order, so a trajectory sent before the hello and unanswered by now never gets an answer.
        self._waiting.extendleft(sorted(self._unanswered.values(), key=lambda outgoing: -outgoing.sequence))
        self._unanswered.clear()
        self._welcomed = True
        self._hello_at = None
        self._used_at = now
        self._max_message_bytes = welcome.max_message_bytes
        self.version = version_from_proto(welcome.version)
        self.credits = welcome.credits

    def _refused(self, refused: Refused, now: float) -> None:
        if refused.reason != REASON_STOPPING:
            raise ContractError(
                f"the learner refuses this actor ({_name(refused.reason)}): {refused.detail}; "
                f"actor {self._hello.contract_digest}, learner {refused.contract_digest}: start both with one config"
            )
        self._hello_at = now + RETRY_S

    def _answer(self, answer: Answer, decision: Decision) -> None:
        if self._welcomed:
            self.version = version_from_proto(answer.version)
            self.credits += answer.credits
        if answer.reason == REASON_NO_HELLO and self._welcomed:
            decision.messages.append(self._say_hello())
        outgoing = (
            self._unanswered.pop(answer.sequence, None) if answer.incarnation == self._hello.incarnation else None
        )
        if outgoing is None:
            _log.warning("an answer to nothing that was sent: %s %r", _name(answer.reason), answer.detail)
        elif answer.verdict == VERDICT_ACCEPTED:
            decision.outcomes.append((outgoing.sequence, "accepted"))
        elif answer.verdict == VERDICT_DUPLICATE:
            decision.outcomes.append((outgoing.sequence, "duplicate"))
        else:
            _log.warning("trajectory %d refused (%s): %s", outgoing.sequence, _name(answer.reason), answer.detail)
            decision.outcomes.append((outgoing.sequence, "refused"))

    def _drop_old_generations(self, decision: Decision) -> None:
        """Drop trajectories of earlier generations: they would be refused, and an answer may never come."""
        if not self._welcomed:
            return
        generation = self.version.generation
        old = [p for p in (*self._waiting, *self._unanswered.values()) if p.generation != generation]
        if old:
            _log.warning("dropped %d trajectories: painted before generation %d of the learner", len(old), generation)
        for outgoing in old:
            self._unanswered.pop(outgoing.sequence, None)
            decision.outcomes.append((outgoing.sequence, "dropped"))
        self._waiting = deque(outgoing for outgoing in self._waiting if outgoing.generation == generation)

    def _send(self, decision: Decision) -> Decision:
        while self._welcomed and self.credits and self._waiting:
            outgoing = self._waiting.popleft()
            if outgoing.nbytes > self._max_message_bytes:
                raise ContractError(
                    f"actor.batch: a trajectory of this actor has {outgoing.nbytes} bytes, the learner takes at most "
                    f"{self._max_message_bytes}; give both the same actor.batch and policy"
                )
            self.credits -= 1
            self._unanswered[outgoing.sequence] = outgoing
            decision.messages.append(outgoing.frames)
        return decision


def _name(reason: Reason.ValueType) -> str:
    # A newer learner may have reasons that this actor does not know.
    return Reason.Name(reason).removeprefix("REASON_").lower() if reason in Reason.values() else str(reason)
