"""Episodes that are cut into unrolls, where the run has such."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from spiral.conformance.actor.subject import ActorTarget, check_painted, steps_of
from spiral.conformance.case import Skip, case, require
from spiral.conformance.peers.squares import blank
from spiral.conformance.target import until
from spiral.values.trajectories import Trajectory
from spiral.values.versions import Version
from spiral.wire.contract import version_from_proto

if TYPE_CHECKING:
    import torch

    from spiral.policy import Policy


@case("actor", "semantics")
def a_long_episode_comes_in_unrolls(actor: ActorTarget) -> None:
    """A long episode comes in unrolls, and each says what came before it.

    Follows an episode from its first unroll to its last: the next one is the one whose ``first_step`` and ``earlier``
    are all actions so far. After those actions ``earlier`` must be zero; ``blank`` must be the blank canvas, and noise
    and targets must be the episode's own. The last unroll must be filled up with its last observation and with zeros.
    Skipped if the run's episodes are not cut.
    """
    actor.task.needs_cut()
    num_actions, (first, *later) = actor.task.contract.num_actions, _episode(actor)
    for unroll in (first, *later):
        check_painted(unroll, num_actions)
        steps, earlier = steps_of(unroll), unroll.earlier
        require(earlier is not None and not earlier[steps[0, 0] :].any(), "earlier goes on after first_step actions")
        require(_same(unroll.blank, blank(unroll.batch)), "blank is not the blank canvas")
        beyond = steps >= num_actions
        for name, filling in (("actions", unroll.actions), ("behaviour_log_prob", unroll.behaviour_log_prob)):
            require(not filling[beyond].any(), f"{name} are not 0 after the episode's last action")
    for unroll in later:
        require(_same(unroll.noise, first.noise), "noise is another in a later unroll of the episode")
        require(_same(unroll.targets, first.targets), "targets are others in a later unroll of the episode")


@case("actor", "semantics", "extended")
def the_memory_lasts_from_unroll_to_unroll(actor: ActorTarget) -> None:
    """The policy's memory is passed on from unroll to unroll.

    Serves weights that the suite knows and follows an episode that they painted. ``state`` must be the policy's initial
    state in the first unroll, and in each later one the policy's state after the one before, within 1e-3. Skipped if
    the run's policy has no memory, its episodes are not cut, or the weights were given in a file.
    """
    actor.task.needs_cut()
    if not actor.task.contract.state:
        raise Skip("the run's policy has no memory; --set policy.network=paper would do")
    if actor.weights_file:
        raise Skip("the weights were given in a file, so the suite can't tell what a policy with them holds")
    version = actor.publish(actor.next_version())
    policy, unrolls = actor.task.policy(), _episode(actor, version)
    held = policy.pack_state(policy.initial_state(unrolls[0].batch))
    for number, unroll in enumerate(unrolls, 1):
        worst = np.abs(_state_of(unroll) - held.numpy()).max()
        require(worst <= 1e-3, f"state in unroll {number} is {worst:.4f} from what the policy holds")
        held = _after(policy, unroll)


def _episode(actor: ActorTarget, version: Version | None = None) -> list[Trajectory]:
    """The unrolls of an episode, first to last; of one that ``version`` or a later one painted, where that is given."""
    since, contract = len(actor.learner.delivered), actor.task.contract

    def following(program: np.ndarray) -> Trajectory | None:
        for delivered in actor.learner.delivered[since:]:
            unroll = actor.read(delivered)
            if version is not None and version_from_proto(delivered.header.oldest_version) < version:
                continue
            before = unroll.program(contract.num_actions)[: len(program)]
            if (steps_of(unroll)[0] == len(program)).all() and before.tobytes() == program.tobytes():
                return unroll
        return None

    unrolls, program = [], np.zeros(0, np.int32)
    while len(program) < contract.num_actions:
        unroll = until(partial(following, program), f"an unroll after {len(program)} actions of an episode")
        assert unroll is not None
        unrolls.append(unroll)
        program = unroll.program(contract.num_actions)[: len(program) + contract.length]
    return unrolls


def _after(policy: Policy, unroll: Trajectory) -> torch.Tensor:
    """What the policy holds [B, M] after the actions of a full unroll."""
    import torch  # noqa: PLC0415  (no other case needs it)

    from spiral.policy import Inputs  # noqa: PLC0415

    steps, length = steps_of(unroll), len(unroll.actions)
    program = unroll.program(int(steps[-1, 0]) + 1)
    previous = np.concatenate([np.zeros_like(program[:1]), program])[steps[0, 0] :][:length]
    with torch.inference_mode():
        inputs = Inputs(
            seen=policy.watch(torch.tensor(unroll.observations[:length])),
            previous_action=torch.from_numpy(previous).long(),
            step=torch.from_numpy(steps[:, 0]).clamp(max=policy.num_actions - 1),
            noise=None if unroll.noise is None else torch.tensor(unroll.noise),
            target=None if unroll.targets is None else policy.see(torch.tensor(unroll.targets)),
        )
        _, _, state = policy.core(inputs, policy.unpack_state(torch.tensor(unroll.state)))
        return policy.pack_state(state)


def _state_of(unroll: Trajectory) -> np.ndarray:
    assert unroll.state is not None
    return np.array(unroll.state)


def _same(one: np.ndarray | None, other: np.ndarray | None) -> bool:
    return (one is None and other is None) or np.array_equal(one, other)  # type: ignore[arg-type]  # then neither is
