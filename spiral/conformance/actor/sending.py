"""How an actor sends what it painted."""

from __future__ import annotations

import time

from spiral.conformance.actor.subject import ActorTarget
from spiral.conformance.case import case, require
from spiral.conformance.every.identity import UNKNOWN_FIELD
from spiral.conformance.peers.learner import Delivered
from spiral.conformance.process import END_S
from spiral.conformance.target import until
from spiral.v1.trajectory_pb2 import (
    REASON_NO_HELLO,
    REASON_STOPPING,
    REASON_VALUE,
    VERDICT_REFUSED,
    Heartbeat,
    LearnerMessage,
)
from spiral.values.versions import Version
from spiral.wire.contract import version_to_proto

QUIET_S = 2.0
"""So long nothing may come from an actor without a credit; it paints an episode of a few steps in much less."""


@case("actor", "idempotency")
def sequences_count_from_1(actor: ActorTarget) -> None:
    """Sequences count the trajectories of an incarnation, from 1, each once.

    Looks at the first trajectory that came from each incarnation, which must have sequence 1, and takes four more,
    which must follow one another without a gap. Id and incarnation must be those of Hello.
    """
    known = {(greeted.hello.actor_id, greeted.hello.incarnation) for greeted in actor.learner.greeted}
    first: dict[int, int] = {}
    for delivered in list(actor.learner.delivered):
        header = delivered.header
        require((header.actor_id, header.incarnation) in known, "a trajectory of an id and incarnation without Hello")
        first.setdefault(header.incarnation, header.sequence)
    require(set(first.values()) == {1}, f"the first trajectories have the sequences {sorted(first.values())}, not 1")
    found = [delivered.header.sequence for delivered in actor.more(4)]
    require(found == list(range(found[0], found[0] + 4)), f"sequences {found} follow each other, but not without gaps")


@case("actor", "idempotency")
def what_was_answered_is_not_sent_again(actor: ActorTarget) -> None:
    """A trajectory that was answered is not sent again, whether accepted or refused.

    Answers one trajectory VERDICT_REFUSED (REASON_VALUE), one with a verdict that no version has yet (99, which
    counts as refused), and the others VERDICT_ACCEPTED, and takes six more. Every sequence may come only once.
    """
    actor.learner.next_answer = {"verdict": VERDICT_REFUSED, "reason": REASON_VALUE, "detail": "as the case wants it"}
    since = len(actor.learner.delivered)
    actor.more(3)
    actor.learner.next_answer = {"verdict": 99}
    actor.more(3)
    sequences = [each.header.sequence for each in actor.learner.delivered[since:]]
    require(len(set(sequences)) == len(sequences), f"sequences {sequences}: one came twice, though it was answered")


@case("actor", "back-pressure")
def nothing_is_sent_without_a_credit(actor: ActorTarget) -> None:
    """Nothing is sent without a credit, and at most n trajectories against n credits.

    Grants nothing with its answers until the account is empty: for two seconds nothing may come. Grants one credit: one
    trajectory must come, and no second one for two seconds. Grants two: two must come. During all this no trajectory
    may come without a credit.
    """
    learner = actor.learner
    with learner.lock:
        learner.answer_credits = 0
    try:
        until(lambda: not any(learner.credits.values()), "the actor to use up its credits")
        for count in (0, 1, 2):
            since = len(learner.delivered)
            if count:
                learner.grant(count)
                actor.more(count, since)
            time.sleep(QUIET_S)
            found = len(learner.delivered) - since
            require(found == count, f"{found} trajectories came against {count} credits")
    finally:
        with learner.lock:
            learner.answer_credits = 1
        learner.grant(2)
    without = [each for each in learner.delivered if each.credits < 1]
    require(not without, f"trajectories {[each.header.sequence for each in without]} came without a credit")
    actor.more(1)


@case("actor", "idempotency")
def what_is_unanswered_is_sent_again(actor: ActorTarget) -> None:
    """A trajectory that is unanswered when the connection ends is sent again, against new credits.

    Answers nothing until the credits are used up, ends the connection, and listens again. Hello must come on a new
    connection, with the same id and incarnation, and then the first unanswered trajectory with the same sequence and
    bytes.
    """
    learner = actor.learner
    greetings = len(learner.greeted)
    unanswered = _unanswered(actor)
    learner.hang_up()
    (again,) = _after_hello(actor, greetings, 1)
    before, after = learner.greeted[greetings - 1].hello, learner.greeted[greetings].hello
    require(after == before, "Hello says something else on a new connection of the same process")
    require(again.frames == unanswered[0].frames, "the unanswered trajectory did not come again first")
    actor.more(2)


@case("actor", "semantics")
def what_an_older_generation_painted_is_dropped(actor: ActorTarget) -> None:
    """Trajectories painted with an older generation's weights are dropped, even unanswered ones.

    Answers nothing until the credits are used up, ends the connection, and comes back with the next generation and its
    weights. Every trajectory that comes after Hello must be of that generation.
    """
    learner = actor.learner
    _unanswered(actor)
    greetings, newest = len(learner.greeted), actor.next_version()
    version = actor.publish(Version(newest.generation + 1, 0))
    learner.hang_up()
    for each in _after_hello(actor, greetings, 3):
        for name in ("oldest_version", "newest_version"):
            found = getattr(each.header, name).generation
            require(found == version.generation, f"{name} is of generation {found}, the learner's is {version}")


@case("actor", "semantics")
def it_says_hello_again_when_asked_to(actor: ActorTarget) -> None:
    """It says Hello again on the same connection when the learner does not know it.

    Refuses a trajectory with REASON_NO_HELLO and no credit. Hello must come on the same connection, and trajectories
    after it.
    """
    learner = actor.learner
    greetings = len(learner.greeted)
    refusal = {"verdict": VERDICT_REFUSED, "reason": REASON_NO_HELLO, "detail": "who are you?"}
    with learner.lock:
        learner.next_answer = refusal
    until(lambda: len(learner.greeted) > greetings, "another Hello")
    require(learner.greeted[-1].peer == learner.greeted[-2].peer, "Hello came on another connection")
    actor.more(2)


@case("actor", "semantics")
def it_comes_back_to_a_learner_that_is_stopping(actor: ActorTarget) -> None:
    """It comes back to a learner that is stopping.

    Ends the connection and refuses the next Hello with REASON_STOPPING. Another Hello must come, and trajectories after
    it.
    """
    learner = actor.learner
    greetings = len(learner.greeted)
    with learner.lock:
        learner.next_refusal = {"reason": REASON_STOPPING, "detail": "as the case wants it"}
    learner.hang_up()
    until(lambda: learner.next_refusal is None, "Hello on another connection")
    until(lambda: len(learner.greeted) >= greetings + 2, "a second Hello after the refusal")
    actor.more(2)


@case("actor", "cancellation")
def silence_makes_it_connect_again(actor: ActorTarget) -> None:
    """An actor leaves a learner that is silent for 10 s, and finds it again.

    Says nothing, neither answers nor heartbeats. After 10 s Hello must come on another connection, and trajectories
    once the learner speaks again.
    """
    learner = actor.learner
    greetings, peer = len(learner.greeted), learner.greeted[-1].peer
    with learner.lock:
        learner.silent = True
    try:
        until(lambda: len(learner.greeted) > greetings and learner.greeted[-1].peer != peer, "Hello after silence")
    finally:
        with learner.lock:
            learner.silent = False
    learner.hang_up()
    actor.more(2)


@case("actor", "compatibility")
def what_a_newer_learner_says_is_ignored(actor: ActorTarget) -> None:
    """Unknown messages of a learner of a newer minor version are ignored.

    Sends a heartbeat with an unknown field (number 1999), a message of a kind that only a newer version has, and one
    that is not protobuf. Trajectories must keep coming.
    """
    version = version_to_proto(actor.learner.weights.version)
    heartbeat = LearnerMessage(heartbeat=Heartbeat(version=version)).SerializeToString()
    for data in (heartbeat + UNKNOWN_FIELD, UNKNOWN_FIELD):
        actor.learner.say(LearnerMessage.FromString(data))
    actor.more(4)
    require(actor.command is None or actor.command.running, "it has ended")


@case("actor", "drain")
def it_ends_with_0_in_time(actor: ActorTarget) -> None:
    """Asked to end, it exits with code 0.

    Sends SIGTERM (or runs ``--drain-command``) while it paints. The process must exit with code 0, and nothing may come
    after that. Skipped if neither ``--command`` nor ``--drain-command`` is given.
    """
    actor.more(1)
    actor.ask_to_end()
    if actor.command is not None:
        code = actor.command.wait()
        require(code == 0, f"it ended with {code}; expected 0 within {END_S:g} s: {actor.command.tail()}")
        since = len(actor.learner.delivered)
        time.sleep(0.2)
        require(len(actor.learner.delivered) == since, "trajectories came after its end")


def _unanswered(actor: ActorTarget) -> list[Delivered]:
    """Answer nothing until the actor has used up its credits; what it has sent against them, at least one."""
    learner = actor.learner
    with learner.unanswering():
        since = len(learner.delivered)
        learner.grant(1)
        until(lambda: not any(learner.credits.values()), "the actor to use up its credits")
        return learner.delivered[since:]


def _after_hello(actor: ActorTarget, greetings: int, count: int) -> list[Delivered]:
    """Wait for ``count`` trajectories on connections whose Hello came after the first ``greetings``; those."""
    learner = actor.learner
    until(lambda: len(learner.greeted) > greetings, "Hello on a new connection")

    def came() -> list[Delivered]:
        peers = {greeted.peer for greeted in learner.greeted[greetings:]}
        found = [delivered for delivered in learner.delivered if delivered.peer in peers]
        return found[:count] if len(found) >= count else []

    return until(came, f"{count} trajectories on a new connection")
