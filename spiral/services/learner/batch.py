"""A batch as the policy learns from it: tensors on the policy's device, made once and then split by episodes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spiral.configuration.schema import LearnerConfig
from spiral.objectives.policy import Steps
from spiral.policy import EvaluatedActions, Inputs, Policy, State
from spiral.services.learner.companions import companions_of
from spiral.services.learner.unrolls import Places, last_actions
from spiral.values.trajectories import Trajectory


@dataclass(frozen=True, slots=True)
class Batch:
    """``B`` episodes of ``T`` actions, or unrolls of such episodes."""

    inputs: Inputs
    """Observations before each action; for unrolls also after the last one, ``T + 1`` steps."""
    actions: Tensor
    """int64 ``[T, B, K]``."""
    behaviour_log_prob: Tensor
    """``[T, B]``: log μ(a) of the policy that painted."""
    rewards: Tensor
    """``[T, B]``."""
    state: State
    """State of the policy before the first action, from the weights that painted."""
    proximal_log_prob: Tensor | None = None
    """``[T, B]``: log π(a) of the policy before the batch's first update, for objectives that need it."""
    valid: Tensor | None = None
    """Unrolls: bool ``[T, B]``, the executed actions; the others pad an episode's last unroll."""
    goes_on: Tensor | None = None
    """Unrolls: bool ``[B]``, whether the episode goes on afterwards."""
    finals: Tensor | None = None
    """With hindsight: the final pictures as the policy sees a target, ``[B, …]``."""
    companions: Tensor | None = None
    """With several paintings of a target: int64 ``[B]``, the same number for the same target."""

    @classmethod
    def of(
        cls, trajectory: Trajectory, rewards: NDArray[np.float32], where: Places, policy: Policy, config: LearnerConfig
    ) -> Batch:
        """The batch of a trajectory and its rewards ``[T, B]``, on the policy's device."""

        def tensor(array: NDArray[Any]) -> Tensor:
            return torch.from_numpy(array).to(policy.counts.device, non_blocking=True)

        actions = tensor(trajectory.actions).long()
        first_step, state, valid, goes_on = None, policy.initial_state(trajectory.batch), None, None
        previous = torch.zeros_like(actions[:1])
        steps = torch.arange(len(actions), device=actions.device)
        if trajectory.first_step is not None:
            first_step = tensor(trajectory.first_step).long()
            previous = tensor(last_actions(trajectory)).long().unsqueeze(0)
            steps = first_step + torch.arange(len(actions) + 1, device=actions.device).unsqueeze(1)
            steps = steps.clamp(max=policy.num_actions - 1)  # steps beyond the end do not count
            state = () if trajectory.state is None else policy.unpack_state(tensor(trajectory.state))
            valid, goes_on = tensor(where.valid), tensor(~where.ends)
        inputs = Inputs(
            seen=policy.watch(tensor(trajectory.observations[: len(steps)])),
            previous_action=torch.cat([previous, actions])[: len(steps)],
            step=steps,
            noise=None if trajectory.noise is None else tensor(trajectory.noise),
            target=None if trajectory.targets is None else policy.see(tensor(trajectory.targets)),
        )
        return cls(
            inputs,
            actions,
            tensor(trajectory.behaviour_log_prob),
            tensor(rewards),
            state,
            valid=valid,
            goes_on=goes_on,
            finals=policy.see(tensor(trajectory.observations[-1])) if config.hindsight else None,
            companions=tensor(companions_of(trajectory)) if config.paintings_per_target > 1 else None,
        )

    @property
    def frames(self) -> int:
        """Number of executed actions."""
        return self.actions.shape[0] * self.actions.shape[1] if self.valid is None else int(self.valid.sum())

    def take(self, episodes: Tensor) -> Batch:
        """Some of the episodes, by index; an index may be repeated."""

        def along(part: Tensor | None, axis: int) -> Tensor | None:
            return None if part is None else part.index_select(axis, episodes)

        return Batch(
            self.inputs.take(episodes),
            self.actions[:, episodes],
            self.behaviour_log_prob[:, episodes],
            self.rewards[:, episodes],
            tuple(part[episodes] for part in self.state),
            proximal_log_prob=along(self.proximal_log_prob, 1),
            valid=along(self.valid, 1),
            goes_on=along(self.goes_on, 0),
            finals=along(self.finals, 0),
            companions=along(self.companions, 0),
        )

    def executed(self, evaluated: EvaluatedActions) -> tuple[EvaluatedActions, Tensor]:
        """The evaluation of the executed actions, 0 for the others, and the value ``[B]`` after the last one.

        Padding has no value, reward or entropy, so it contributes to no loss and no return. An episode that has ended
        has value 0.
        """
        if self.valid is None or self.goes_on is None:
            return evaluated, torch.zeros_like(self.rewards[0])
        after = evaluated.value[-1].detach() * self.goes_on
        entropy = evaluated.entropy * self.valid.unsqueeze(-1)
        kept = replace(evaluated, value=evaluated.value[:-1] * self.valid, entropy=entropy)
        return kept, after

    def steps(self, evaluated: EvaluatedActions, bootstrap_value: Tensor) -> Steps:
        """What a policy objective sees of the batch; ``bootstrap_value`` ``[B]`` follows its last step."""
        return Steps(
            evaluated.log_prob,
            self.behaviour_log_prob,
            self.proximal_log_prob,
            self.rewards,
            evaluated.value.detach(),
            bootstrap_value,
        )
