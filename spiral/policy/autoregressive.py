"""The interface of a policy, and the autoregressive loop that every network shares.

Sampling and teacher forcing use the same loop, :meth:`Policy._decode`, and differ only in how a component's value is
chosen. So the log-probabilities of behavior policy and learner are equal.

Heads run only on frames for which their component counts. Half of all actions move the pen without painting, and for
those three of five components mean nothing.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from spiral.policy.categorical import log_prob_and_entropy
from spiral.policy.inputs import Inputs
from spiral.policy.sight import Sight
from spiral.values.actions import ActionSpec

NEVER = -1e9
"""Logit of a value that can't be chosen: its probability is 0, and unlike −∞ it never makes 0 · ∞."""

State = tuple[Tensor, ...]
"""Recurrent state, each tensor ``[B, …]``; empty for a network without memory."""


@dataclass(frozen=True, slots=True)
class Sampled:
    """Actions drawn from the policy for one step."""

    actions: Tensor
    """int64 ``[B, K]``."""
    log_prob: Tensor
    """float32 ``[B]``: joint log-probability of the components that count."""
    state: State


@dataclass(frozen=True, slots=True)
class EvaluatedActions:
    """Log-probability, entropy and value of recorded actions."""

    log_prob: Tensor
    """float32 ``[T, B]``: joint log-probability of the components that count."""
    entropy: Tensor
    """float32 ``[T, B, K]``, nats; 0 where a component does not count."""
    value: Tensor
    """float32 ``[T, B]``: expected sum of the rewards to come; ``[T + 1, B]`` if that many steps were seen."""


Rows = Tensor | None
"""Positions ``[M]``, among all ``N`` frames, of those that a component concerns; None: all frames."""

Choose = Callable[[int, Tensor, Rows], Tensor]


class Policy(nn.Module, ABC):
    """A distribution over actions, sampled component by component, and a value."""

    counts: Tensor
    needed: Tensor
    blind: bool = False
    """Whether the policy does not see its canvas (docs/method.md, 2); it still sees the target."""
    moves: str = "free"
    """Which actions may move the pen without painting: ``policy.moves`` of the configuration."""

    def __init__(self, spec: ActionSpec, num_actions: int, noise: int, conditional: bool) -> None:
        super().__init__()
        self.spec = spec
        self.num_actions = num_actions
        self.noise = noise
        self.conditional = conditional
        # Not among the weights: it is part of the contract and not learned.
        self.register_buffer("counts", torch.from_numpy(spec.mask_table()).float(), persistent=False)
        # By flag: whether a component or a later one counts, and where fewer flags count than before.
        needed = torch.from_numpy(np.maximum.accumulate(spec.mask_table()[:, ::-1], 1)[:, ::-1].copy())
        self.register_buffer("needed", needed, persistent=False)
        self._narrows = [k for k in range(1, len(spec)) if (needed[:, k] != needed[:, k - 1]).any()]

    @property
    def dtype(self) -> torch.dtype:
        """Type of the weights, in which the network computes: float32, or float64 after ``double()``."""
        return self.counts.dtype

    def initial_state(self, batch: int) -> State:
        """The state at the start of an episode."""
        del batch
        return ()

    @property
    def state_size(self) -> int:
        """Length of an episode's packed state; 0: no memory."""
        return sum(part[0].numel() for part in self.initial_state(1))

    def pack_state(self, state: State) -> Tensor:
        """The state as one tensor ``[B, state_size]`` of the weights' type."""
        return torch.cat([part.flatten(1) for part in state], 1)

    def unpack_state(self, packed: Tensor) -> State:
        """The state that :meth:`pack_state` packed."""
        like = self.initial_state(len(packed))
        parts = torch.split(packed.to(self.dtype), [part[0].numel() for part in like], 1)
        return tuple(part.view_as(shape) for part, shape in zip(parts, like, strict=True))

    def for_this_run(self, state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Adapt weights of a similar network to this one: for programs of another length, for coarser places, for a
        narrower network, or without a glimpse or patch."""
        return state

    @abstractmethod
    def see(self, pictures: Tensor) -> Tensor:
        """The preparation that needs no weights: pictures, uint8 ``[…, H, W, C]``, as the network's input ``[…, …]``.

        It is separate because a learner that uses a batch several times prepares it once.
        """

    def watch(self, observations: Tensor) -> Tensor:
        """What the policy sees of its canvas, prepared as by :meth:`see`; if it is blind, always a white page."""
        return self.see(torch.full_like(observations, 255) if self.blind else observations)

    @abstractmethod
    def core(self, inputs: Inputs, state: State) -> tuple[Tensor, Tensor, State]:
        """Process ``T`` steps: features ``[T, B, D]``, values ``[T, B]`` and the state after them."""

    def sight(self, inputs: Inputs, T: int) -> Sight | None:
        """For the first ``T`` steps: where the pens are, and the patches that the network looks at after it has chosen
        a place. None: the network uses neither."""
        del inputs, T
        return None

    @abstractmethod
    def logits(self, k: int, features: Tensor, sight: Sight | None) -> Tensor:
        """Unnormalized log-probabilities of component ``k``: ``[N, D]`` → ``[N, size]``."""

    @abstractmethod
    def advance(self, k: int, features: Tensor, chosen: Tensor, sight: Sight | None) -> Tensor:
        """Features ``[N, D]`` after the value ``chosen`` ``[N]`` of component ``k`` is known."""

    def act(self, inputs: Inputs, state: State, generator: torch.Generator, temperature: float = 1.0) -> Sampled:
        """Draw the next action of each episode; ``inputs`` has ``T = 1``.

        Logits are divided by ``temperature``; at 0 the likeliest value is taken. The log-probability is always that at
        temperature 1.
        """
        features, _, state = self.core(inputs, state)
        B = features.shape[1]

        def sample(k: int, logits: Tensor, rows: Rows) -> Tensor:
            del k, rows
            if not temperature:
                return logits.argmax(-1)
            # The exponential race: the argmin of E_i / p_i with E_i ~ Exp(1) is distributed as p.
            # Drawn on the generator's device, so that a seed gives the same draws on every device.
            race = torch.empty_like(logits, device=generator.device).exponential_(generator=generator)
            return (logits - race.log_().mul_(temperature).to(logits.device)).argmax(-1)

        actions, log_probs = [], []
        for rows, logits, chosen in self._decode(features[0], inputs, 1, sample):
            actions.append(_spread(chosen, rows, B))
            log_prob = logits.log_softmax(-1).gather(-1, chosen.unsqueeze(-1)).squeeze(-1)
            log_probs.append(_spread(log_prob, rows, B))
        drawn = torch.stack(actions, -1)
        return Sampled(drawn, (torch.stack(log_probs, -1) * self.mask(drawn)).sum(-1), state)

    def evaluate_actions(self, inputs: Inputs, actions: Tensor, state: State) -> EvaluatedActions:
        """Log-probability, entropy and value of recorded ``actions`` ``[T, B, K]`` by teacher forcing, step by step.

        ``inputs`` may have one more step, after the last action; for it only a value is computed.
        """
        features, value, _ = self.core(inputs, state)
        T, B, K = actions.shape
        features = features[:T]
        flat = actions.reshape(T * B, K)

        def recorded(k: int, logits: Tensor, rows: Rows) -> Tensor:
            del logits
            return flat[:, k] if rows is None else flat[rows, k]

        log_probs, entropies = [], []
        for rows, logits, chosen in self._decode(features.reshape(T * B, -1), inputs, T, recorded):
            log_prob, entropy = log_prob_and_entropy(logits, chosen)
            log_probs.append(_spread(log_prob, rows, T * B))
            entropies.append(_spread(entropy, rows, T * B))
        mask = self.mask(flat)
        return EvaluatedActions(
            log_prob=(torch.stack(log_probs, -1) * mask).sum(-1).view(T, B),
            entropy=(torch.stack(entropies, -1) * mask).view(T, B, K),
            value=value.to(self.dtype),
        )

    def _decode(
        self, features: Tensor, inputs: Inputs, T: int, choose: Choose
    ) -> Iterator[tuple[Rows, Tensor, Tensor]]:
        """Run the heads in sampling order, each on the frames for which its component or a later one counts.

        Brushes often move without painting, and then most components mean nothing. Yields those frames, logits
        ``[M, size]`` and chosen values ``[M]``.
        """
        rows: Rows = None
        forbidden = self._forbidden(inputs, T)
        sight = self.sight(inputs, T)
        for k in range(len(self.spec)):
            logits = self.logits(k, features, sight)
            if k == 0 and forbidden is not None:
                logits = logits.masked_fill(forbidden, NEVER)
            chosen = choose(k, logits, rows)
            if k == 0:
                flags = chosen
            yield rows, logits, chosen
            if k + 1 in self._narrows:
                kept = self.needed[flags, k + 1].nonzero().squeeze(-1)
                features, chosen, flags = features[kept], chosen[kept], flags[kept]
                rows = kept if rows is None else rows[kept]
                if sight is not None:
                    sight.narrow(kept)
            if k + 1 < len(self.spec):
                features = self.advance(k, features, chosen, sight)

    def _forbidden(self, inputs: Inputs, T: int) -> Tensor | None:
        """Flags that ``moves`` forbids: bool ``[T · B, flags]``; None if all are allowed.

        The flag for painting is the one for which every component counts.
        """
        if self.moves == "free" or not len(self.spec.counts):
            return None
        steps = inputs.steps[:T].expand(T, inputs.previous_action.shape[1]).reshape(-1, 1)
        moving = (self.counts == 0).any(-1)
        if self.moves == "first":
            return (steps > 0) & moving
        return torch.where(steps % 2 == 0, ~moving, moving)

    def mask(self, actions: Tensor) -> Tensor:
        """Which components count: ``[N, K]`` → float32 ``[N, K]``."""
        flag = actions[:, 0] if len(self.spec.counts) else torch.zeros_like(actions[:, 0])
        return self.counts[flag]


def _spread(values: Tensor, rows: Rows, size: int) -> Tensor:
    """Values ``[M]`` of the frames ``rows`` among all ``size``, the others 0."""
    return values if rows is None else values.new_zeros(size).index_copy(0, rows, values)
