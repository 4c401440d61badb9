"""Each trajectory once, each against a credit."""

from __future__ import annotations

import numpy as np

from spiral.conformance.case import case, require
from spiral.conformance.learner.subject import LearnerTarget, accepted, refused, verdict_name
from spiral.conformance.peers.actor import PlayedActor
from spiral.conformance.target import until
from spiral.v1.trajectory_pb2 import REASON_DIGEST, REASON_NO_CREDIT, VERDICT_DUPLICATE, Answer

WINDOW = 1024
"""Sequences so far below the highest accepted count as duplicates."""
SPENT = 16
MOST_SENT = 200
"""No learner's queue is this long with trajectories of the suite; beyond it there is no bound."""


@case("learner", "idempotency")
def each_trajectory_has_one_answer_of_its_own(learner: LearnerTarget) -> None:
    """Each trajectory has one answer, which names it.

    Sends three trajectories with the sequences 1, 2 and 3. Each must be accepted by an answer with its ``incarnation``
    and ``sequence``, and no second answer may come before the next heartbeat.
    """
    with learner.welcomed() as actor:
        for sequence in (1, 2, 3):
            answer = actor.deliver(actor.frames(learner.task.trajectory(20 + sequence)))
            accepted(answer, f"trajectory {sequence}")
            require(
                (answer.incarnation, answer.sequence) == (actor.incarnation, sequence),
                f"the answer is for sequence {answer.sequence} of {answer.incarnation}, not {sequence}",
            )
        actor.until("heartbeat")


@case("learner", "idempotency")
def a_trajectory_sent_again_is_a_duplicate(learner: LearnerTarget) -> None:
    """A trajectory that is sent again is a duplicate, on this connection and on the next.

    Sends a trajectory twice; the second must be answered VERDICT_DUPLICATE. Says Hello on a new connection with the
    same ``actor_id`` and ``incarnation`` and sends it again: a duplicate. With another incarnation it must be accepted.
    """
    trajectory = learner.task.trajectory(24)
    with learner.welcomed() as actor:
        frames = actor.frames(trajectory)
        accepted(actor.deliver(frames), "a trajectory")
        _duplicate(actor.deliver(frames), "the trajectory, sent again")
    with learner.welcomed(actor.actor_id, actor.incarnation) as again:
        _duplicate(again.deliver(frames), "the trajectory, sent again after another hello")
    with learner.welcomed(actor.actor_id, actor.incarnation + 2) as other:
        accepted(other.deliver(other.frames(trajectory)), "sequence 1 of another incarnation")


@case("learner", "idempotency")
def a_duplicate_is_not_learnt_from(learner: LearnerTarget) -> None:
    """A duplicate is not learned from.

    Sends a trajectory twice, and others until they have been scored. Among the observations that the discriminator was
    asked to score, those of the first must occur once.
    """
    trajectory = learner.task.trajectory(25)
    with learner.welcomed() as actor:
        frames = actor.frames(trajectory)
        accepted(actor.deliver(frames), "a trajectory")
        _duplicate(actor.deliver(frames), "the trajectory, sent again")
        until_scored(learner, actor, 26)
    found = _times_scored(learner, trajectory.observations)
    require(found == 1, f"a trajectory that was sent twice was scored {found} times; expected once")


@case("learner", "idempotency")
def sequences_far_behind_are_duplicates(learner: LearnerTarget) -> None:
    """A sequence 1,024 or more below the highest accepted one is a duplicate.

    Sends the sequences 2,000 (accepted), 976 (a duplicate, though it never came), 977 (accepted), and 2,001 (accepted).
    """
    trajectory = learner.task.trajectory(27)
    with learner.welcomed() as actor:
        accepted(actor.deliver(actor.frames(trajectory, sequence=2000)), "sequence 2,000")
        _duplicate(actor.deliver(actor.frames(trajectory, sequence=2000 - WINDOW)), "sequence 976 after 2,000")
        accepted(actor.deliver(actor.frames(trajectory, sequence=2001 - WINDOW)), "sequence 977 after 2,000")
        accepted(actor.deliver(actor.frames(trajectory, sequence=2001)), "sequence 2,001")


@case("learner", "back-pressure")
def credits_end_while_nothing_is_learnt(learner: LearnerTarget) -> None:
    """Credits run out while nothing is learned and come back when it is; nobody may send without one.

    Holds the discriminator's answers back and sends trajectories as long as there are credits: the credits must run
    out. One more trajectory must be refused with REASON_NO_CREDIT. Then lets the discriminator answer: a credit must
    come, and a trajectory sent against it must be accepted.
    """
    with learner.welcomed() as actor, learner.held():
        _exhaust(learner, actor)
        refused(actor.ask(actor.frames(learner.task.trajectory(29))), REASON_NO_CREDIT, "a trajectory without a credit")
        learner.discriminator.release()
        accepted(actor.deliver(actor.frames(learner.task.trajectory(30))), "a trajectory against a new credit")


@case("learner", "back-pressure")
def every_trajectory_costs_a_credit(learner: LearnerTarget) -> None:
    """Every trajectory costs a credit, even a duplicate or refused one; a credit comes for the slot that it leaves.

    Sends a trajectory, and then 16 times its duplicate and one of another contract, each against one of the actor's
    credits. The credits must never run out for good. They must never exceed the number at the start plus what the
    answers since then gave for the trajectory that was learned from.
    """
    with learner.welcomed() as actor:
        actor.await_credit()
        first = actor.frames(learner.task.trajectory(31))
        accepted(actor.deliver(first), "a trajectory")
        most = 0
        for round_ in range(SPENT):
            _duplicate(actor.deliver(first), "the trajectory, sent again")
            wrong = actor.frames(learner.task.trajectory(32), contract_digest="other")
            refused(actor.deliver(wrong), REASON_DIGEST, "another contract")
            if round_ == SPENT // 2:
                most = actor.credits
        require(
            actor.credits <= max(most, 1) + 1,
            f"{actor.credits} credits after trajectories that were refused, {most} halfway: each must cost one",
        )


@case("learner", "back-pressure")
def credits_end_with_the_next_hello(learner: LearnerTarget) -> None:
    """Credits end with the next Hello.

    Says Hello twice on one connection, while nothing is learned, and then sends as many trajectories as the second
    Welcome and what came after it allow. Each must be accepted, and one more must be refused with REASON_NO_CREDIT.
    """
    with learner.welcomed() as actor, learner.held():
        actor.welcomed()
        actor.welcomed()
        _exhaust(learner, actor)
        refused(actor.ask(actor.frames(learner.task.trajectory(35))), REASON_NO_CREDIT, "credits of an earlier hello")


@case("learner", "back-pressure")
def credits_of_one_who_leaves_go_to_others(learner: LearnerTarget) -> None:
    """The credits of an actor that leaves go to others.

    While nothing is learned, lets one actor take the credits that it gets, and lets a second one use all of its own;
    then the first one's connection ends. The second one must get a credit and have a trajectory accepted against it.
    """
    with learner.welcomed() as keeper:
        keeper.await_credit()
        with learner.welcomed() as other, learner.held():
            _exhaust(learner, other)
            keeper.close()
            accepted(other.deliver(other.frames(learner.task.trajectory(36))), "a trajectory against another's credit")


def _exhaust(learner: LearnerTarget, actor: PlayedActor) -> None:
    """Send trajectories until no credit is left, and none comes with two heartbeats."""
    sent, quiet = 0, 0
    while quiet < 2:
        if actor.credits:
            accepted(actor.ask(actor.frames(learner.task.trajectory(100 + sent))), "a trajectory against a credit")
            sent, quiet = sent + 1, 0
            require(sent < MOST_SENT, f"{sent} trajectories were accepted while nothing is learned: there is no bound")
        else:
            actor.until("heartbeat")
            quiet += not actor.credits


def _duplicate(answer: Answer, what: str) -> None:
    require(
        answer.verdict == VERDICT_DUPLICATE, f"{what}: {verdict_name(answer)} ({answer.detail}); expected duplicate"
    )


def until_scored(learner: LearnerTarget, actor: PlayedActor, seed: int) -> None:
    """Send a trajectory and others until it has been scored: so has what came before it."""
    last = learner.task.trajectory(seed)
    accepted(actor.deliver(actor.frames(last)), "a trajectory")

    def scored() -> bool:
        if _times_scored(learner, last.observations):
            return True
        accepted(actor.deliver(actor.frames(learner.task.trajectory(seed + 1))), "a trajectory")
        return False

    until(scored, "the trajectories to be scored")


def _times_scored(learner: LearnerTarget, observations: np.ndarray) -> int:
    """In how many different batches the first episode of a trajectory was scored."""
    batches = {(asked.header.batch_id, asked.data): asked for asked in learner.discriminator.asked}
    return sum(len(asked.places_of(observations[:, 0])) for asked in batches.values())
