"""One step of learning: a batch of episodes and their rewards → new weights.

It owns no thread, no socket and no clock; the same code runs in the service and in lockstep.

Minibatches are whole episodes. Returns, importance weights and recurrent states then come from the one forward pass
that the gradient needs, for every kind of correction and for both networks. Random frames would need a forward pass of
their own.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spiral.computing.divergence import NotFiniteError, SoundWeights
from spiral.computing.precision import FP32
from spiral.configuration.cross_checks import check_components
from spiral.configuration.schema import LearnerConfig
from spiral.policy import EvaluatedActions, Inputs, Policy
from spiral.policy import State as PolicyState
from spiral.policy.weights import load_weights
from spiral.runs.checkpoints import State, pack_optimiser, unpack_optimiser
from spiral.services.learner.batch import Batch
from spiral.services.learner.companions import shuffled
from spiral.services.learner.losses import losses_of
from spiral.services.learner.optimising import clip_gradient, make_optimiser
from spiral.services.learner.schedule import average_decay, entropy_left, rate_left
from spiral.services.learner.unrolls import Places, places
from spiral.services.learner.update_statistics import UpdateStatistics
from spiral.values.trajectories import Trajectory


class Update(NamedTuple):
    """Figures of one update."""

    entropy: Tensor
    """``[T, B, K]``, nats, 0 where a component does not count."""
    losses: dict[str, Tensor]
    """The losses and the gradient's norm, by name."""


class PolicyLearner:
    """Policy, optimizer and running average of the weights."""

    def __init__(self, policy: Policy, config: LearnerConfig, seed: int) -> None:
        self.policy = policy
        self.device = policy.counts.device
        self.average = copy.deepcopy(policy).requires_grad_(False)
        self.config = config
        self.precision = FP32
        self.updates = 0
        self.frames = 0
        self.frames_before = 0
        """Learned frames of the model that the run began with."""
        self.run_share = 0.0
        """Share of the run that is done, 0 to 1; schedules over the run use it."""
        self.held = 0
        """Batches at the start from which only the discriminator learned."""
        self.optimiser = make_optimiser(policy, config)
        self._sound = self._new_sound()
        self.statistics = UpdateStatistics()
        self._shuffle = np.random.default_rng(seed)
        check_components(config.entropy_costs, policy.spec.names)
        self._entropy_costs = torch.tensor(
            [config.entropy_costs.get(name, config.entropy_cost) for name in policy.spec.names],
            dtype=policy.dtype,
            device=self.device,
        )

    @property
    def learning_rate(self) -> float:
        """The optimizer's current step size."""
        config = self.config
        return config.learning_rate * rate_left(config, self.frames_before + self.frames, self.run_share)

    def learn(self, trajectory: Trajectory, rewards: NDArray[np.float32], where: Places | None = None) -> None:
        """Learn from a batch of episodes or unrolls: ``reuse`` passes of ``minibatches`` updates each.

        ``rewards`` are ``[T, B]``; ``where`` says where the batch lies in its episodes, if that is already known. If
        something is not finite, the batch does not count and earlier, sound weights are restored; DivergedError if that
        happens three times in a row.
        """
        if self.held < self.config.hold_batches:
            self.held += 1
            return
        where = where or places(trajectory, self.policy.num_actions)
        try:
            self._learn(Batch.of(trajectory, rewards, where, self.policy, self.config))
        except NotFiniteError as error:
            self.updates += 1  # a new version, so that holders of the undone weights fetch these
            self._sound.undo(error)

    def check(self) -> None:
        """Check that the newest weights are sound; if not, go back. DivergedError as for :meth:`learn`."""
        if not self._sound.check():
            self.updates += 1

    def _new_sound(self) -> SoundWeights:
        clip = " or learner.gradient_clip, which is infinite" if math.isinf(self.config.gradient_clip) else ""
        advice = f"lower learner.learning_rate, which is {self.config.learning_rate:g}{clip}"
        return SoundWeights("learner", [self.policy, self.average], self.optimiser, advice)

    def _learn(self, batch: Batch) -> None:
        if self.config.objective.needs_proximal:
            batch = replace(batch, proximal_log_prob=self._log_prob(batch))
        for group in self.optimiser.param_groups:
            group["lr"] = self.learning_rate
        before = self.updates
        for episodes in self._minibatches(batch):
            minibatch = batch.take(episodes)
            update = self._update(minibatch)
        self._sound.stepped(partial(self._gradient, minibatch, keep=True), self.updates - before)
        self._record(minibatch, update)
        self._follow(self.updates - before)
        self.frames += batch.frames

    def state(self) -> State:
        """Everything that a checkpoint needs, as copies, so that later updates don't touch it."""
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
        """Continue from ``state`` as if never interrupted; ValueError if it belongs to another network."""
        for policy, group in ((self.policy, "policy"), (self.average, "average")):
            load_weights(policy, state.tensors[group], group)
        unpack_optimiser(self.optimiser, state.tensors["optimiser"])
        self.updates, self.frames = state.counters["updates"], state.counters["frames"]
        self.held = state.counters.get("held", 0)
        self.frames_before = state.counters.get("frames_before", self.frames_before)
        self._shuffle.bit_generator.state = state.counters["shuffle"]
        self._sound = self._new_sound()

    def take_statistics(self) -> UpdateStatistics:
        """Statistics since the last call."""
        taken, self.statistics = self.statistics, UpdateStatistics()
        return taken

    def _minibatches(self, batch: Batch) -> Iterator[Tensor]:
        """Minibatches of whole episodes or unrolls, so that returns and recurrent states need no second pass.
        Companions stay together."""
        for _ in range(self.config.reuse):
            if batch.companions is None:
                order = self._shuffle.permutation(batch.actions.shape[1])
            else:
                order = shuffled(batch.companions.cpu().numpy(), self._shuffle)
            yield from torch.from_numpy(order).to(self.device).chunk(self.config.minibatches)

    def _update(self, batch: Batch) -> Update:
        update = self._gradient(batch)
        self.optimiser.step()
        self.updates += 1
        return update

    def _gradient(self, batch: Batch, keep: bool = False) -> Update:
        """The losses of a minibatch; their gradient is left in the parameters. NotFiniteError if it is not finite."""
        left = entropy_left(self.config, self.frames_before + self.frames, self.run_share)
        losses = losses_of(self._evaluate, batch, self.config, self._entropy_costs * left)
        self.optimiser.zero_grad(set_to_none=True)
        losses.total.backward()  # type: ignore[no-untyped-call]
        norm = clip_gradient(list(self.policy.parameters()), self.config.gradient_clip)
        self._sound.passed(losses.total, norm, keep)
        return Update(losses.entropy, {**losses.parts, "gradient_norm": norm})

    @torch.no_grad()
    def _log_prob(self, batch: Batch) -> Tensor:
        """Log-probabilities ``[T, B]`` of a batch under the current policy."""
        return self._evaluate(batch.inputs, batch.actions, batch.state).log_prob

    def _evaluate(self, inputs: Inputs, actions: Tensor, state: PolicyState) -> EvaluatedActions:
        with self.precision.autocast():
            return self.policy.evaluate_actions(inputs, actions, state)

    @torch.no_grad()
    def _follow(self, updates: int) -> None:
        """Move the running average by this many updates, once per batch: the weights hardly move in between.

        Early in a run it forgets faster; otherwise the first weights would linger.
        """
        decay = min(average_decay(self.config, self.run_share), (1 + self.updates) / (10 + self.updates)) ** updates
        torch._foreach_lerp_(list(self.average.parameters()), list(self.policy.parameters()), 1 - decay)

    @torch.no_grad()
    def _record(self, batch: Batch, update: Update) -> None:
        """Record the last update of a batch; the others look alike."""
        mask = self.policy.mask(batch.actions.flatten(0, 1))
        if batch.valid is not None:
            mask = mask * batch.valid.reshape(-1, 1)
        counts = mask.sum(0).clamp(min=1)
        means = (update.entropy.sum((0, 1)) / counts).tolist()
        self.statistics.add(
            dict(zip(self.policy.spec.names, means, strict=True)),
            {name: float(value) for name, value in update.losses.items()},
        )
