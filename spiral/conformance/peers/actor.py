"""The actor that the suite plays: says over a DEALER what a case tells it to."""

from __future__ import annotations

import itertools
import secrets
import time
from collections.abc import Sequence
from typing import Any

import zmq
from google.protobuf.message import DecodeError

from spiral.conformance.case import Failure, require
from spiral.conformance.peers.task import Task, header_of
from spiral.conformance.target import DEADLINE_S
from spiral.v1.trajectory_pb2 import ActorMessage, Answer, Hello, LearnerMessage, Refused, TrajectoryHeader, Welcome
from spiral.values.trajectories import Trajectory
from spiral.values.versions import Version
from spiral.wire import tensors
from spiral.wire.contract import version_from_proto

Frames = Sequence[bytes | memoryview]


class PlayedActor:
    """One connection; keeps account of its credits."""

    def __init__(self, socket: zmq.Socket[bytes], task: Task, actor_id: str = "", incarnation: int = 0) -> None:
        self._socket = socket
        self.task = task
        self.actor_id = actor_id or f"conformance-{secrets.token_hex(4)}"
        self.incarnation = incarnation or secrets.randbits(63) | 1
        self.credits = 0
        self.version = Version()
        """Newest weights that the learner told of."""
        self.sequences = itertools.count(1)

    def send(self, frames: Frames) -> None:
        """Send a message as it is."""
        self._socket.send_multipart(frames)

    def next(self, timeout_s: float = DEADLINE_S) -> LearnerMessage | None:
        """The next message, or None; keeps account of credits and version. Failure where it is none."""
        if not self._socket.poll(int(timeout_s * 1000)):
            return None
        frames = self._socket.recv_multipart()
        require(len(frames) == 1, f"a message of the learner has {len(frames)} frames; expected one")
        try:
            message = LearnerMessage.FromString(frames[0])
        except DecodeError as error:
            raise Failure(f"{len(frames[0])} bytes that are no LearnerMessage: {error}") from error
        kind = message.WhichOneof("message")
        require(kind, "a LearnerMessage says nothing")
        if kind != "refused":
            body = getattr(message, str(kind))
            told = version_from_proto(body.version)
            require(told >= self.version, f"the learner tells of {told} after {self.version}; versions never go back")
            self.version = told
            self.credits = body.credits + (0 if kind == "welcome" else self.credits)
        return message

    def until(self, kind: str) -> LearnerMessage:
        """The next message of a kind; heartbeats before it are taken in. Failure where none comes."""
        end = time.monotonic() + DEADLINE_S
        while time.monotonic() < end:
            message = self.next(max(0.0, end - time.monotonic()))
            if message is None:
                break
            if message.HasField(kind):  # type: ignore[arg-type]  # one of the oneof's names
                return message
            require(message.HasField("heartbeat"), f"a {message.WhichOneof('message')} came; expected {kind}")
        raise Failure(f"no {kind} within {DEADLINE_S:g} s")

    def hello(self, *more: bytes, **changes: Any) -> Welcome | Refused:
        """Say hello, with other fields or more frames, and wait for what comes of it."""
        fields: dict[str, Any] = {
            "actor_id": self.actor_id,
            "incarnation": self.incarnation,
            "contract_digest": self.task.contract.digest,
        }
        self.credits = 0
        self.send([ActorMessage(hello=Hello(**(fields | changes))).SerializeToString(), *more])
        end = time.monotonic() + DEADLINE_S
        while (message := self.next(max(0.0, end - time.monotonic()))) is not None:
            if message.HasField("welcome"):
                return message.welcome
            if message.HasField("refused"):
                return message.refused
            require(message.HasField("heartbeat"), "hello was answered by an answer to a trajectory")
        raise Failure(f"no answer to hello within {DEADLINE_S:g} s")

    def welcomed(self) -> Welcome:
        """Say hello; Failure where it is refused."""
        answer = self.hello()
        if isinstance(answer, Refused):
            raise Failure(f"a valid hello was refused ({answer.reason}): {answer.detail}")
        return answer

    def await_credit(self) -> None:
        """Wait until there is a credit; Failure where none comes."""
        end = time.monotonic() + DEADLINE_S
        while not self.credits:
            if self.next(max(0.0, end - time.monotonic())) is None:
                raise Failure(f"no credit within {DEADLINE_S:g} s")

    def frames(self, trajectory: Trajectory, **changes: Any) -> list[bytes | memoryview]:
        """The message that carries a trajectory, with other header fields."""
        header = self.header(trajectory, changes.pop("sequence", None))
        for name, value in changes.items():
            if hasattr(value, "SerializeToString"):
                getattr(header, name).CopyFrom(value)
            else:
                setattr(header, name, value)
        return message_of(header, trajectory)

    def header(self, trajectory: Trajectory, sequence: int | None = None) -> TrajectoryHeader:
        """The header of a trajectory painted with the newest weights, with the next sequence unless given."""
        number = next(self.sequences) if sequence is None else sequence
        digest = self.task.contract.digest
        return header_of(trajectory, digest, self.actor_id, self.incarnation, number, self.version)

    def ask(self, frames: Frames) -> Answer:
        """Send a trajectory, with or without a credit, and wait for its answer."""
        self.credits = max(0, self.credits - 1)
        self.send(frames)
        return self.until("answer").answer

    def deliver(self, frames: Frames) -> Answer:
        """Wait for a credit, send a trajectory, and wait for its answer."""
        self.await_credit()
        return self.ask(frames)

    def close(self) -> None:
        """End the connection."""
        self._socket.close(linger=0)


def message_of(header: TrajectoryHeader, trajectory: Trajectory) -> list[bytes | memoryview]:
    """Header and tensors as frames."""
    first = ActorMessage(trajectory=header).SerializeToString()
    return [first, *(tensors.frame_of(array) for array in trajectory.tensors().values())]
