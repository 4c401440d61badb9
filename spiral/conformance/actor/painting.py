"""What an actor paints, and with what."""

from __future__ import annotations

import numpy as np

from spiral.conformance.actor.subject import ActorTarget, check_painted, uniform
from spiral.conformance.case import Skip, case, require
from spiral.conformance.peers.squares import SPEC
from spiral.conformance.target import until
from spiral.values.versions import Version
from spiral.wire.contract import version_from_proto


@case("actor", "identity")
def it_says_hello_with_the_right_digest(actor: ActorTarget) -> None:
    """It says Hello with a name, an incarnation and the right digest.

    Looks at the Hello that the suite's learner got. ``actor_id`` must have 1 to 128 bytes, and ``contract_digest`` must
    be the hash that ``trajectory.proto`` prescribes for the suite's action spec, observation shape and the run. So must
    the digest in GetInfo, if there is one.
    """
    hello, right = actor.learner.greeted[-1].hello, actor.task.contract.digest
    require(1 <= len(hello.actor_id.encode()) <= 128, f'actor_id is "{hello.actor_id}"; expected 1 to 128 bytes')
    require(hello.contract_digest == right, f'contract_digest is "{hello.contract_digest}"; expected "{right}"')
    told = actor.info.contract_digest
    require(told in ("", right), f'GetInfo says the digest "{told}", Hello "{right}"')
    require(not actor.learner.wrong, f"it sent what is no message: {actor.learner.wrong[:1]}")


@case("actor", "semantics")
def trajectories_are_what_the_contract_says(actor: ActorTarget) -> None:
    """Trajectories are what the contract says: names, types, shapes, sizes, ranges.

    Takes three trajectories. The tensors must be those of ``trajectory.proto`` in its order, and each frame must have
    exactly the bytes of its tensor; actions must be in range, log-probabilities finite and at most 0, ``duration_s``
    not negative, and ``oldest_version`` not newer than ``newest_version``.
    """
    for delivered in actor.more(3):
        trajectory, header = actor.read(delivered), delivered.header
        sizes = np.array(SPEC.sizes)
        require(((trajectory.actions >= 0) & (trajectory.actions < sizes)).all(), "an action is out of range")
        log_prob = trajectory.behaviour_log_prob
        require(np.isfinite(log_prob).all() and (log_prob <= 1e-4).all(), "a log-probability is positive or no number")
        require(header.duration_s >= 0, f"duration_s is {header.duration_s}")
        oldest, newest = version_from_proto(header.oldest_version), version_from_proto(header.newest_version)
        require(oldest <= newest, f"oldest_version {oldest} is newer than newest_version {newest}")
        require(header.contract_digest == actor.task.contract.digest, "the header has another digest than Hello")


@case("actor", "semantics")
def observations_are_what_the_renderer_showed(actor: ActorTarget) -> None:
    """Observations are what the renderer showed for the actions.

    Takes three trajectories and paints their actions with the suite's own engine. The first observation must be the
    blank canvas (in an unroll what the ``earlier`` actions paint), and each later one what the actions up to it paint.
    """
    for delivered in actor.more(3):
        check_painted(actor.read(delivered), actor.task.contract.num_actions)


@case("actor", "semantics")
def episodes_differ(actor: ActorTarget) -> None:
    """Episodes differ: actions are drawn anew for each.

    Takes four trajectories. No two with different sequences may have the same actions, and the episodes within one must
    not all be the same.
    """
    painted = {delivered.header.sequence: delivered for delivered in actor.more(4)}
    actions = [actor.read(delivered).actions for delivered in painted.values()]
    require(len({each.tobytes() for each in actions}) == len(actions), "two trajectories have the same actions")
    same = any(each.shape[1] > 1 and (each == each[:, :1]).all() for each in actions)
    require(not same, "all episodes of a trajectory have the same actions")


@case("actor", "semantics", "extended")
def zeroed_weights_make_it_uniform(actor: ActorTarget) -> None:
    """With all-zero weights every log-probability is that of the uniform distribution.

    Serves weights that are all zero and waits for a trajectory painted with them. ``behaviour_log_prob`` must be minus
    the sum of the logarithms of the sizes of those components that count, within 1e-4. Skipped if the weights were
    given in a file.
    """
    delivered = actor.by(actor.publish(actor.next_version(), zeroed=True))
    trajectory = actor.read(delivered)
    right = uniform(actor.task, trajectory)
    worst = float(np.abs(trajectory.behaviour_log_prob - right).max())
    require(worst <= 1e-4, f"a log-probability is {worst:.4f} from the uniform one, though all weights are 0")


@case("actor", "semantics")
def new_weights_are_taken(actor: ActorTarget) -> None:
    """New weights are used, and old ones dropped.

    Serves newer weights and waits for a trajectory that only they painted. From then on no trajectory may be painted
    with older ones. ``GetWeights`` must have been called with the actor's digest.
    """
    version = actor.publish(actor.next_version())
    actor.by(version)
    for delivered in actor.more(4):
        newest = version_from_proto(delivered.header.newest_version)
        require(newest >= version, f"painted with {newest} after a trajectory by {version}")
    digests = actor.learner.weights.digests
    require(digests <= {"", actor.task.contract.digest}, f"GetWeights was called with the digests {sorted(digests)}")


@case("actor", "validation")
def damaged_weights_are_not_used(actor: ActorTarget) -> None:
    """Weights that arrive damaged are not used.

    Announces a newer version and serves it with bytes that do not match ``sha256``. No trajectory may carry that
    version. Then serves the weights undamaged under the next version: trajectories must carry that one.
    """
    weights, damaged = actor.learner.weights, actor.next_version()
    calls, since = weights.calls, len(actor.learner.delivered)
    weights.damaged.add(damaged)
    actor.publish(damaged)
    until(
        lambda: weights.calls >= calls + 2 or damaged in versions_since(actor, since),
        "it to ask for the weights twice",
    )
    actor.more(2)
    whole = actor.publish(actor.next_version())
    actor.by(whole)
    require(
        damaged not in versions_since(actor, since),
        f"trajectories were painted with {damaged}, whose bytes were damaged",
    )


@case("actor", "semantics")
def a_stream_that_is_lost_costs_its_episodes_alone(actor: ActorTarget) -> None:
    """A lost stream costs the episodes on it, and nothing else.

    Ends the next streams with UNAVAILABLE after one step, and refuses two with RESOURCE_EXHAUSTED. Complete
    trajectories must still come, and the actor must not have sent the renderer anything that the protocol forbids.
    """
    played = actor.renderer
    lost = played.lost
    with played.lock:
        played.lose_after.extend((1, 1, 1, 1))
        played.refuse_opens = 2
    try:
        # Streams live for some time, so the actor has to be made to open others: its present ones are lost by restart
        # or age; either way, what matters is that what comes is whole.
        for delivered in actor.more(4):
            check_painted(actor.read(delivered), actor.task.contract.num_actions)
        until(lambda: played.lost > lost, "a stream that can be lost", 90.0)
        actor.more(2)
    finally:
        with played.lock:
            played.lose_after.clear()
            played.refuse_opens = 0
    require(not played.wrong, f"the renderer was asked what the protocol forbids: {played.wrong[:1]}")


@case("actor", "semantics")
def targets_come_from_the_discriminator(actor: ActorTarget) -> None:
    """In a conditional run every target comes from the discriminator, from the training split.

    Takes three trajectories. Each target must be one that the suite's discriminator handed out. Skipped in a run that
    is not conditional.
    """
    if not actor.task.contract.conditional:
        raise Skip("the run is not conditional; --set conditional=true would do")
    for delivered in actor.more(3):
        targets = actor.read(delivered).targets
        if targets is None:
            require(False, "a trajectory without targets in a conditional run")
            continue
        handed = {target.tobytes() for drawn in actor.discriminator.sampled for target in drawn}
        require(all(target.tobytes() in handed for target in targets), "a target that the discriminator never drew")
    require(not actor.discriminator.sample_tests, "targets were drawn from the test split")


def versions_since(actor: ActorTarget, start: int) -> set[Version]:
    """Newest versions of the trajectories that came after the first ``start``."""
    return {version_from_proto(each.header.newest_version) for each in actor.learner.delivered[start:]}
