"""Hello, and what may come of it."""

from __future__ import annotations

import zmq

from spiral.conformance.case import Skip, case, require
from spiral.conformance.every.identity import UNKNOWN_FIELD
from spiral.conformance.learner.subject import LearnerTarget, accepted, refused
from spiral.conformance.peers.actor import PlayedActor
from spiral.v1.trajectory_pb2 import (
    REASON_DIGEST,
    REASON_MALFORMED,
    REASON_NO_HELLO,
    ActorMessage,
    Hello,
    Reason,
    Refused,
)
from spiral.v1.version_pb2 import Version
from spiral.wire import sockets
from spiral.wire.curve import Keys

HEARTBEATS = 3
QUIET_S = 2.0
"""So long nothing may come for one who is not believed; a handshake takes a hundredth of it."""


@case("learner", "semantics")
def an_actor_is_taken_in(learner: LearnerTarget) -> None:
    """Welcome tells an actor the version, its credits and the limits.

    Says Hello with the right digest. Welcome must carry the generation of the served weights, a
    ``heartbeat_interval_ms`` above 0, and a ``max_message_bytes`` that a trajectory of the run fits into; a credit must
    come with it or after it.
    """
    with learner.actor() as actor:
        welcome = actor.welcomed()
        generation = learner.version.generation
        require(
            welcome.version.generation == generation,
            f"welcome tells of generation {welcome.version.generation}, but {generation} is served",
        )
        size = learner.task.contract.nbytes(learner.task.batch)
        require(welcome.max_message_bytes >= size, f"max_message_bytes is {welcome.max_message_bytes}, below {size}")
        require(welcome.heartbeat_interval_ms > 0, "heartbeat_interval_ms is 0")
        actor.await_credit()


@case("learner", "semantics")
def heartbeats_come_as_announced(learner: LearnerTarget) -> None:
    """Heartbeats come, as Welcome announces.

    Says Hello and nothing more. Three heartbeats must come, each within 10 s of the one before; an actor gives up after
    10 s.
    """
    with learner.welcomed() as actor:
        for number in range(HEARTBEATS):
            message = actor.next(10.0)
            require(message is not None, f"10 s without a message after {number} heartbeats")
            require(message is not None and message.HasField("heartbeat"), "something else than a heartbeat came")


@case("learner", "validation")
def another_digest_is_turned_away(learner: LearnerTarget) -> None:
    """An actor with another contract digest is refused and told the learner's.

    Says Hello with the digest "other". Refused must come with REASON_DIGEST, a sentence, and the learner's digest.
    """
    answer = _turned_away(learner, REASON_DIGEST, "another digest", contract_digest="other")
    right = learner.task.contract.digest
    require(answer.contract_digest == right, f'Refused carries the digest "{answer.contract_digest}", not "{right}"')


@case("learner", "validation")
def an_actor_has_a_name_of_1_to_128_bytes(learner: LearnerTarget) -> None:
    """An actor without a name, or with one above 128 bytes, is refused.

    Says Hello with an ``actor_id`` of 0 and of 129 bytes. Refused must come with REASON_MALFORMED, and its detail must
    name ``actor_id``.
    """
    for name in ("", "x" * 129):
        answer = _turned_away(learner, REASON_MALFORMED, f"a name of {len(name)} bytes", actor_id=name)
        require("actor_id" in answer.detail, f'the detail "{answer.detail}" does not name actor_id')


@case("learner", "validation")
def frames_after_hello_are_refused(learner: LearnerTarget) -> None:
    """Hello is a message of one frame.

    Says Hello with a frame of data after it. Refused must come with REASON_MALFORMED.
    """
    with learner.actor() as actor:
        _check(actor.hello(b"data"), REASON_MALFORMED, "a frame after hello")


@case("learner", "validation")
def a_trajectory_needs_a_hello(learner: LearnerTarget) -> None:
    """A trajectory from an actor that has not said Hello on this connection is refused.

    Sends a trajectory without Hello: it must be refused with REASON_NO_HELLO, and accepted after Hello on the same
    connection. Then sends one with another ``actor_id`` and one with another ``incarnation`` than Hello had: each must
    be refused with REASON_NO_HELLO.
    """
    trajectory = learner.task.trajectory(1)
    with learner.actor() as actor:
        frames = actor.frames(trajectory, oldest_version=_own(learner), newest_version=_own(learner))
        refused(actor.ask(frames), REASON_NO_HELLO, "a trajectory without hello")
        actor.welcomed()
        accepted(actor.deliver(frames), "the trajectory after hello")
        for change in ({"actor_id": "somebody else"}, {"incarnation": actor.incarnation + 2}):
            refused(actor.ask(actor.frames(trajectory, **change)), REASON_NO_HELLO, f"another {next(iter(change))}")


@case("learner", "validation", "extended")
def strangers_are_not_heard(learner: LearnerTarget) -> None:
    """If the trajectories are encrypted, an actor without a trusted key is ignored.

    Says Hello in plaintext, and with a new CURVE key. Nothing may come for 2 s, while an actor with the right key gets
    Welcome. Skipped without ``--curve-key``.
    """
    if learner.keys is None:
        raise Skip("--curve-key was not given, so the trajectories are in plaintext")
    made_up = Keys(*zmq.curve_keypair(), learner.keys.peers)
    for what, keys in (("in plaintext", None), ("with an unknown key", made_up)):
        with sockets.dealer(learner.context, learner.data_address, keys) as socket:
            stranger = PlayedActor(socket, learner.task)
            hello = Hello(actor_id="stranger", incarnation=1, contract_digest=learner.task.contract.digest)
            stranger.send([ActorMessage(hello=hello).SerializeToString()])
            with learner.welcomed():
                require(stranger.next(QUIET_S) is None, f"a stranger {what} was answered")


@case("learner", "compatibility")
def unknown_fields_of_hello_are_ignored(learner: LearnerTarget) -> None:
    """What a newer minor version adds to Hello is ignored.

    Says Hello with an unknown field (number 1999) in it and in the message. Welcome must come.
    """
    with learner.actor() as actor:
        hello = Hello(
            actor_id=actor.actor_id, incarnation=actor.incarnation, contract_digest=learner.task.contract.digest
        )
        inner = Hello.FromString(hello.SerializeToString() + UNKNOWN_FIELD)
        actor.send([ActorMessage(hello=inner).SerializeToString() + UNKNOWN_FIELD])
        actor.until("welcome")


def _own(learner: LearnerTarget) -> Version:
    return learner.weights()[0].header.version


def _turned_away(learner: LearnerTarget, reason: Reason.ValueType, what: str, **changes: str) -> Refused:
    with learner.actor() as actor:
        return _check(actor.hello(**changes), reason, what)


def _check(answer: object, reason: Reason.ValueType, what: str) -> Refused:
    if not isinstance(answer, Refused):
        require(False, f"{what}: welcome; expected refused")
        raise AssertionError
    require(answer.reason == reason, f"{what}: refused for {answer.reason}; expected {Reason.Name(reason)}")
    require(answer.detail, f"{what}: refused without a sentence in detail")
    return answer
