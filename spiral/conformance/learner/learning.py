"""What becomes of what was accepted."""

from __future__ import annotations

import grpc

from spiral.conformance.case import Skip, case, require
from spiral.conformance.learner.delivery import until_scored
from spiral.conformance.learner.subject import LearnerTarget, accepted, refused
from spiral.conformance.peers.discriminator import mistakes_of
from spiral.conformance.process import END_S
from spiral.conformance.target import until
from spiral.v1.trajectory_pb2 import REASON_GENERATION
from spiral.values.versions import Version
from spiral.wire.contract import version_to_proto

DROPPED = "spiral_learner_dropped_total"


@case("learner", "semantics")
def trajectories_become_weights(learner: LearnerTarget) -> None:
    """Trajectories become new weights, and the actor is told their version.

    Sends trajectories until ``GetWeights`` has newer ones. The generation must be the same and the number higher, and
    the actor must be told of that version.
    """
    with learner.welcomed() as actor:
        before = learner.version
        after = learner.await_learning(before, actor, 41)
        require(after.generation == before.generation, f"the generation went from {before} to {after} while learning")
        until(lambda: actor.next(0.1) is not None and actor.version >= after, f"word of {after}")


@case("learner", "semantics")
def what_is_scored_is_what_was_sent(learner: LearnerTarget) -> None:
    """The pictures that are scored are those that were sent, in batches that the protocol allows.

    Sends trajectories until the pictures of the first have been scored. Each call must have had an id of 1 to 128
    bytes, uint8 observations [F, B, H, W, C] with F = T + 1, exactly their bytes in chunks of at most 1 MiB,
    ``remember`` true, targets in a conditional run alone, and no episode that goes on unless the run's are cut.
    """
    task = learner.task
    with learner.welcomed() as actor:
        until_scored(learner, actor, 42)
    wrong = [mistake for asked in learner.discriminator.asked for mistake in mistakes_of(asked)]
    require(not wrong, f"calls of Score have {', '.join(wrong[:3])}")
    for asked in learner.discriminator.asked:
        header = asked.header
        frames = header.observations.shape[0]
        require(frames == task.contract.length + 1, f"{frames} frames for {task.contract.length} actions")
        require(header.remember, "remember is false, so that the discriminator learns nothing")
        require(header.HasField("targets") == task.contract.conditional, "targets belong to a conditional run alone")
        whole = asked.ends == list(range(header.observations.shape[1]))
        require(whole or task.contract.cut, f"endings are {asked.ends}, but episodes that are not cut all end")


@case("learner", "semantics")
def batches_have_ids_of_their_own(learner: LearnerTarget) -> None:
    """Every batch has an id of its own, and a repeated request keeps it.

    Sends different trajectories, with the next calls of ``Score`` ending with UNAVAILABLE and RESOURCE_EXHAUSTED, until
    two more batches have been scored. The learner must ask again with the same ``batch_id`` and the same bytes; no two
    batches of different bytes may share an id.
    """
    played = learner.discriminator
    with learner.welcomed() as actor:
        start = len(played.asked)
        played.fail_next.extend((grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED))

        def asked_often() -> bool:
            if actor.credits:
                seed = 1000 + len(played.asked)
                accepted(actor.ask(actor.frames(learner.task.trajectory(seed))), "a trajectory")
            else:
                actor.next(0.1)
            return not played.fail_next and len(played.asked) >= start + 5

        until(asked_often, "Score to be called again after UNAVAILABLE and RESOURCE_EXHAUSTED")
    first, *again = played.asked[start : start + 3]
    require(
        all(asked.header.batch_id == first.header.batch_id and asked.data == first.data for asked in again),
        "a batch that was refused for now was not asked again under its id",
    )
    by_id: dict[str, bytes] = {}
    for asked in played.asked:
        known = by_id.setdefault(asked.header.batch_id, asked.data)
        require(known == asked.data, f'two batches share the id "{asked.header.batch_id}"')


@case("learner", "semantics")
def trajectories_that_are_too_old_are_dropped(learner: LearnerTarget) -> None:
    """Trajectories that are too old are accepted and dropped.

    Learns until the number is beyond the run's ``learner.max_lag``, and sends a trajectory painted with number 0. It
    must be accepted, counted in ``spiral_learner_dropped_total``, and never scored. Skipped if the run's ``max_lag`` is
    above 64 updates.
    """
    lag = learner.task.config.learner.max_lag
    if lag > 64:
        raise Skip(f"learner.max_lag is {lag}, too far to learn for a case; --set learner.max_lag=8 would do")
    with learner.welcomed() as actor:
        while (version := learner.version).number <= lag:
            learner.await_learning(version, actor, 44)
        before = learner.gauge(DROPPED)
        old = learner.task.trajectory(45)
        painted = version_to_proto(Version(version.generation, 0))
        frames = actor.frames(old, oldest_version=painted, newest_version=painted)
        accepted(actor.deliver(frames), "a trajectory that is too old")
        learner.await_learning(learner.version, actor, 46)
        until(lambda: learner.gauge(DROPPED) > before, f"{DROPPED} to rise")
    scored = [asked for asked in learner.discriminator.asked if old.observations[:, 0].tobytes() in asked.data]
    require(not scored, "a trajectory that is too old was scored")


@case("learner", "semantics")
def the_engine_is_asked_once_for_a_run(learner: LearnerTarget) -> None:
    """The engine is described once for a run.

    Looks at the renderer that the suite plays. ``DescribeEngine`` must have been called, with an engine, and no stream
    opened: a learner paints nothing. Skipped if the suite did not start the target.
    """
    if learner.command is None:
        raise Skip("--command was not given, so the target may have asked before the suite listened")
    played = learner.renderer
    require(played.described >= 1, "DescribeEngine was never called")
    require(not played.wrong and not played.opened, f"a learner paints nothing, but {played.wrong or 'it opened'}")


@case("learner", "semantics")
def a_restart_raises_the_generation_and_keeps_the_run(learner: LearnerTarget) -> None:
    """A restart raises the generation, and trajectories of the old one are refused.

    Sends a trajectory, ends the learner with SIGTERM, starts it again, and says Hello with the same ``actor_id`` and
    ``incarnation``. The generation must be higher and the number not lower; a trajectory of the old generation must be
    refused with REASON_GENERATION. Skipped without ``--command``.
    """
    learner.needs_command()
    with learner.welcomed() as actor:
        learner.await_learning(learner.version, actor, 47)
        before = learner.version
        frames = actor.frames(learner.task.trajectory(48))
    learner.restart()
    with learner.welcomed(actor.actor_id, actor.incarnation) as again:
        after = learner.version
        require(after.generation > before.generation, f"generation {before.generation}, then {after.generation}")
        require(after.number >= before.number, f"{before.number} updates before a restart, {after.number} after it")
        refused(again.deliver(frames), REASON_GENERATION, "a trajectory of the old generation")
        learner.await_learning(after, again, 49)


@case("learner", "drain")
def it_ends_with_0_when_asked_to(learner: LearnerTarget) -> None:
    """Asked to end, it exits with code 0 and does not ask again for what it accepted.

    Sends a trajectory and sends SIGTERM (or runs ``--drain-command``). Messages that still come must be answers,
    heartbeats or refusals; the process must exit with code 0. Skipped if neither ``--command`` nor ``--drain-command``
    is given.
    """
    with learner.welcomed() as actor:
        accepted(actor.deliver(actor.frames(learner.task.trajectory(50))), "a trajectory")
        learner.ask_to_end()
        while actor.next(1.0) is not None:
            pass
    if learner.command is not None:
        code = learner.command.wait()
        require(code == 0, f"it ended with {code}; expected 0 within {END_S:g} s: {learner.command.tail()}")
