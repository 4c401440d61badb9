"""One step of learning: a batch of episodes and their rewards → new weights.

Owns no thread, no socket and no clock; the same code runs in the service and in lockstep.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from services.learner.companions import against_companions, companions_of, shuffled
from services.learner.losses import (
    clipped_surrogate_loss,
    decoupled_surrogate_loss,
    entropy_bonus,
    policy_gradient_loss,
    value_loss,
)
from services.learner.optimising import clip_gradient, make_optimiser
from services.learner.returns import vtrace
from services.learner.unrolls import Cut, cut_of, last_actions
from spiral.checkpoints import State, pack_optimiser, unpack_optimiser
from spiral.config import LearnerConfig
from spiral.divergence import NotFiniteError, SoundWeights
from spiral.policy import Inputs, Judged, Policy
from spiral.policy.weights import load_weights
from spiral.precision import FP32
from spiral.trajectories import Trajectory


@dataclass(slots=True)
class Progress:
    """Means over the batches since it was last taken, of the last update on each."""

    batches: int = 0
    entropy: dict[str, float] = field(default_factory=dict)
    """Nats of each component, over the actions for which it counts."""
    losses: dict[str, float] = field(default_factory=dict)
    """The losses and the gradient's norm, by name."""

    def add(self, entropy: Mapping[str, float], losses: Mapping[str, float]) -> None:
        """Take in one batch."""
        self.batches += 1
        for means, values in ((self.entropy, entropy), (self.losses, losses)):
            for name, value in values.items():
                before = means.get(name, 0.0)
                means[name] = before + (value - before) / self.batches


class Update(NamedTuple):
    """What is told of one update."""

    entropy: Tensor
    """``[T, B, K]``, nats, 0 where a component does not count."""
    actions: Tensor
    """``[T, B, K]``."""
    losses: dict[str, Tensor]
    valid: Tensor | None = None
    """``[T, B]`` in a batch of unrolls: the actions that were executed."""


class PolicyLearner:
    """Policy, optimiser and running average of the weights."""

    def __init__(self, policy: Policy, config: LearnerConfig, seed: int) -> None:
        self.policy = policy
        self.device = policy.counts.device
        self.average = copy.deepcopy(policy).requires_grad_(False)
        self.config = config
        self.precision = FP32
        self.updates = 0
        self.frames = 0
        self.frames_before = 0
        """Frames that the model had learnt with which the run began."""
        self.held = 0
        """Batches that were not learnt from, at the start."""
        self.optimiser = make_optimiser(policy, config)
        self._sound = self._new_sound()
        self.progress = Progress()
        self._shuffle = np.random.default_rng(seed)
        unknown = config.entropy_costs.keys() - set(policy.spec.names)
        if unknown:
            raise ValueError(
                f"learner.entropy_costs: {sorted(unknown)} are no components; this engine has {policy.spec.names}"
            )
        self._entropy_costs = torch.tensor(
            [config.entropy_costs.get(name, config.entropy_cost) for name in policy.spec.names],
            dtype=policy.dtype,
            device=self.device,
        )

    def learn(self, batch: Trajectory, rewards: NDArray[np.float32]) -> None:
        """Use a batch of episodes, or of unrolls, ``reuse`` times in ``minibatches`` updates each.

        ``rewards`` are ``[T, B]``. Where something is not finite, the batch counts for nothing, and sound weights from
        before are taken; DivergedError where that has been so three times in a row.
        """
        if self.held < self.config.hold_batches:
            self.held += 1
            return
        try:
            self._learn(batch, rewards)
        except NotFiniteError as error:
            self.updates += 1  # a version of its own: whoever has the weights that go takes these
            self._sound.undo(error)

    def check(self) -> None:
        """Make sure that the newest weights are sound, or go back. DivergedError as for :meth:`learn`."""
        if not self._sound.check():
            self.updates += 1

    def _new_sound(self) -> SoundWeights:
        clip = " or learner.gradient_clip, which is infinite" if math.isinf(self.config.gradient_clip) else ""
        advice = f"lower learner.learning_rate, which is {self.config.learning_rate:g}{clip}"
        return SoundWeights("learner", [self.policy, self.average], self.optimiser, advice)

    def _learn(self, batch: Trajectory, rewards: NDArray[np.float32]) -> None:
        actions = self._tensor(batch.actions).long()
        inputs = self._inputs(batch, actions)
        behaviour = self._tensor(batch.behaviour_log_prob)
        paid = self._tensor(rewards)
        cut = None if batch.first_step is None else cut_of(batch, self.policy)
        finals = self.policy.see(self._tensor(batch.observations[-1])) if self.config.hindsight else None
        proximal = self._proximal(inputs, actions, cut) if self.config.off_policy == "decoupled" else behaviour
        for group in self.optimiser.param_groups:
            group["lr"] = self.config.learning_rate * self.config.rate_left(self.frames_before + self.frames)
        companions = companions_of(batch) if self.config.paintings_per_target > 1 else None
        same_target = None if companions is None else self._tensor(companions)
        before = self.updates
        for episodes in self._minibatches(batch.batch, companions):
            minibatch = (
                take(inputs, episodes),
                actions[:, episodes],
                behaviour[:, episodes],
                proximal[:, episodes],
                paid[:, episodes],
                None if finals is None else finals[episodes],
                None if cut is None else cut.take(episodes),
                None if same_target is None else same_target[episodes],
            )
            update = self._update(*minibatch)
        self._sound.stepped(partial(self._update, *minibatch, step=False), self.updates - before)
        self._record(update)
        self._follow(self.updates - before)
        self.frames += batch.actions.shape[0] * batch.batch if cut is None else int(cut.valid.sum())

    def state(self) -> State:
        """Everything that a checkpoint needs; copies, so that later updates don't touch it."""
        return State(
            counters={
                "updates": self.updates,
                "frames": self.frames,
                "frames_before": self.frames_before,
                "held": self.held,
                "shuffle": self._shuffle.bit_generator.state,
            },
            tensors={
                "policy": {name: tensor.clone() for name, tensor in self.policy.state_dict().items()},
                "average": {name: tensor.clone() for name, tensor in self.average.state_dict().items()},
                "optimiser": pack_optimiser(self.optimiser),
            },
        )

    def restore(self, state: State) -> None:
        """Continue from ``state`` as if there had been no interruption; ValueError where it is of another network."""
        for policy, group in ((self.policy, "policy"), (self.average, "average")):
            load_weights(policy, state.tensors[group], group)
        unpack_optimiser(self.optimiser, state.tensors["optimiser"])
        self.updates, self.frames = state.counters["updates"], state.counters["frames"]
        self.held = state.counters.get("held", 0)
        self.frames_before = state.counters.get("frames_before", self.frames_before)
        self._shuffle.bit_generator.state = state.counters["shuffle"]
        self._sound = self._new_sound()

    def take_progress(self) -> Progress:
        """What happened since the last call."""
        taken, self.progress = self.progress, Progress()
        return taken

    def _minibatches(self, episodes: int, companions: NDArray[np.int64] | None) -> Iterator[Tensor]:
        """Whole episodes or unrolls, so that returns and recurrent states need no second pass; companions together."""
        for _ in range(self.config.reuse):
            order = self._shuffle.permutation(episodes) if companions is None else shuffled(companions, self._shuffle)
            yield from self._tensor(order).chunk(self.config.minibatches)

    def _tensor(self, array: NDArray[Any]) -> Tensor:
        return torch.from_numpy(array).to(self.device, non_blocking=True)

    def _inputs(self, batch: Trajectory, actions: Tensor) -> Inputs:
        """What the policy saw before each action, and after the last one of an unroll; ``actions`` are int64."""
        T, previous, step = len(actions), torch.zeros_like(actions[:1]), torch.arange(len(actions), device=self.device)
        if batch.first_step is not None:
            T += 1
            previous = self._tensor(last_actions(batch)).long().unsqueeze(0)
            step = self._tensor(batch.first_step).long() + torch.arange(T, device=self.device).unsqueeze(1)
            step = step.clamp(max=self.policy.num_actions - 1)  # beyond the end nothing counts
        return Inputs(
            seen=self.policy.watch(self._tensor(batch.observations[:T])),
            previous_action=torch.cat([previous, actions])[:T],
            step=step,
            noise=None if batch.noise is None else self._tensor(batch.noise),
            target=None if batch.targets is None else self.policy.see(self._tensor(batch.targets)),
        )

    def _update(
        self,
        inputs: Inputs,
        actions: Tensor,
        behaviour: Tensor,
        proximal: Tensor,
        rewards: Tensor,
        finals: Tensor | None,
        cut: Cut | None,
        companions: Tensor | None,
        step: bool = True,
    ) -> Update:
        """Compute the gradient, and make a ``step`` of the optimiser. NotFiniteError where there is none to make."""
        config = self.config
        if finals is None:
            judged, imagined = self._judge(inputs, actions, cut), None
        else:
            judged, imagined = self._judge_twice(inputs, actions, finals, cut)
        bootstrap_value = torch.zeros_like(rewards[0])  # an episode ends with its last action
        if cut is not None:
            judged, bootstrap_value = cut.apply(judged)
        log_rho = (judged.log_prob - behaviour).detach()
        corrected = config.off_policy == "vtrace"
        returns = vtrace(
            log_rho if corrected else torch.zeros_like(log_rho),
            rewards,
            judged.value.detach(),
            bootstrap_value,
            discount=config.discount,
            trace_decay=config.trace_decay,
            rho_bar=config.rho_bar if corrected else 1.0,
            c_bar=config.c_bar if corrected else 1.0,
        )
        advantages = returns.advantages
        if companions is not None:
            advantages = against_companions(advantages, companions)
        if config.off_policy == "clip":
            policy_loss = clipped_surrogate_loss(judged.log_prob, behaviour, advantages, config.clip)
        elif config.off_policy == "decoupled":
            policy_loss = decoupled_surrogate_loss(
                judged.log_prob, proximal, behaviour, advantages, config.clip, config.rho_bar
            )
        else:
            rho = log_rho.exp().clamp(max=config.rho_bar) if corrected else torch.ones_like(log_rho)
            policy_loss = policy_gradient_loss(judged.log_prob, advantages, rho)
        critic_loss = value_loss(judged.value, returns.targets)
        left = config.entropy_left(self.frames_before + self.frames)
        bonus = entropy_bonus(judged.entropy, self._entropy_costs * left)
        losses = {"policy": policy_loss, "value": critic_loss}
        total = policy_loss + config.value_cost * critic_loss - bonus
        if imagined is not None:
            losses["hindsight"] = -(imagined if cut is None else imagined * cut.valid).mean()
            total = total + config.hindsight * losses["hindsight"]
        self.optimiser.zero_grad(set_to_none=True)
        total.backward()  # type: ignore[no-untyped-call]
        norm = clip_gradient(list(self.policy.parameters()), config.gradient_clip)
        self._sound.passed(total, norm, keep=not step)
        if step:
            self.optimiser.step()
            self.updates += 1
        valid = None if cut is None else cut.valid
        return Update(judged.entropy, actions, {**losses, "gradient_norm": norm}, valid)

    def _judge_twice(self, inputs: Inputs, actions: Tensor, finals: Tensor, cut: Cut | None) -> tuple[Judged, Tensor]:
        """What the policy thinks of the actions; and of their log-probabilities ``[T, B]``, were the pictures that they
        made what was to be reproduced.

        Every episode is a perfect example of how to paint its own final picture; so is every unroll, from where it
        begins. Not of the paper; after Andrychowicz et al. 2017, hindsight experience replay. Both in one pass, which
        takes a fifth less than two.
        """
        assert inputs.target is not None
        B = actions.shape[1]
        twice = torch.arange(B, device=self.device).repeat(2)
        both = replace(take(inputs, twice), target=torch.cat([inputs.target, finals]))
        judged = self._judge(both, actions[:, twice], None if cut is None else cut.take(twice))
        first = Judged(judged.log_prob[:, :B], judged.entropy[:, :B], judged.value[:, :B])
        return first, judged.log_prob[:, B:]

    @torch.no_grad()
    def _proximal(self, inputs: Inputs, actions: Tensor, cut: Cut | None) -> Tensor:
        """Log-probabilities of a batch by the policy as it is before the batch's first update: ``[T, B]``."""
        return self._judge(inputs, actions, cut).log_prob

    def _judge(self, inputs: Inputs, actions: Tensor, cut: Cut | None) -> Judged:
        state = self.policy.initial_state(actions.shape[1]) if cut is None else cut.state
        with self.precision.autocast():
            return self.policy.judge(inputs, actions, state)

    @torch.no_grad()
    def _follow(self, updates: int) -> None:
        """Move the running average after so many updates: once a batch, as the weights hardly move in between.

        Early on it forgets faster, or the first weights would linger.
        """
        decay = min(self.config.average, (1 + self.updates) / (10 + self.updates)) ** updates
        torch._foreach_lerp_(list(self.average.parameters()), list(self.policy.parameters()), 1 - decay)

    @torch.no_grad()
    def _record(self, update: Update) -> None:
        """Note the last update of a batch; one of several tells enough."""
        mask = self.policy.mask(update.actions.flatten(0, 1))
        if update.valid is not None:
            mask = mask * update.valid.reshape(-1, 1)
        counts = mask.sum(0).clamp(min=1)
        means = (update.entropy.sum((0, 1)) / counts).tolist()
        self.progress.add(
            dict(zip(self.policy.spec.names, means, strict=True)),
            {name: float(value) for name, value in update.losses.items()},
        )


def take(inputs: Inputs, episodes: Tensor) -> Inputs:
    """The inputs of some episodes, by their indices."""
    return Inputs(
        seen=inputs.seen[:, episodes],
        previous_action=inputs.previous_action[:, episodes],
        step=inputs.step[:, episodes] if inputs.step.dim() == 2 else inputs.step,
        noise=None if inputs.noise is None else inputs.noise[episodes],
        target=None if inputs.target is None else inputs.target[episodes],
    )
