"""The learner's step written a second time: one episode, one action, one component after the other.

It is the definition that the learner is held to, made to be read from top to bottom beside docs/method.md. Speed is no
concern. Returns, clipping, optimizers and averages are NumPy in float64. Only the networks' layers are those that
paint (``core``, ``logits``, ``advance``), one step of one episode at a time; autograd differentiates them.

[I] is IMPALA (Espeholt et al. 2018), [P] PPO (Schulman et al. 2017), [H] Hilton et al. 2022, [K] Kool et al. 2019.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spiral.configuration.schema import LearnerConfig
from spiral.objectives.policy.clip import Clip
from spiral.objectives.policy.decoupled import Decoupled
from spiral.objectives.policy.vtrace import VTrace
from spiral.policy import Inputs, Policy
from spiral.values.trajectories import Trajectory

Arrays = dict[str, NDArray[np.float64]]
"""One array for each of the policy's parameters, by name."""


@dataclass(frozen=True)
class Episode:
    """A whole episode, or an unroll of one, without what fills it up."""

    pictures: NDArray[np.uint8]
    """``[T + 1, H, W, C]``: what was seen before each action, and after the last one."""
    actions: list[list[int]]
    behaviour: list[float]
    """log μ(a) of each action."""
    rewards: list[float]
    first_step: int
    before: list[int]
    """The action before the first one; zeros where there was none."""
    over: bool
    """Whether the last action ends the episode."""
    memory: NDArray[np.float32] | None
    noise: NDArray[np.float32] | None
    target: NDArray[np.uint8] | None


class Step(NamedTuple):
    """What the policy thinks of one action."""

    log_prob: Tensor
    entropy: list[Tensor | float]
    """Entropy of each component in nats; 0 if it does not count."""
    value: Tensor


class Learnt(NamedTuple):
    """What one update is made of."""

    gradient: Arrays
    losses: dict[str, float]
    entropy: dict[str, float]
    """Mean of each component, over the actions for which it counts."""


def episodes_of(batch: Trajectory, rewards: NDArray[np.float32], num_actions: int) -> list[Episode]:
    """A batch, taken apart."""
    taken = []
    for b in range(batch.actions.shape[1]):
        first = 0 if batch.first_step is None else int(batch.first_step[b])
        length = min(len(batch.actions), num_actions - first)
        taken.append(
            Episode(
                pictures=batch.observations[: length + 1, b],
                actions=batch.actions[:length, b].tolist(),
                behaviour=batch.behaviour_log_prob[:length, b].tolist(),
                rewards=rewards[:length, b].tolist(),
                first_step=first,
                before=batch.earlier[first - 1, b].tolist() if first else [0] * batch.actions.shape[2],
                over=first + length == num_actions,
                memory=None if batch.state is None else batch.state[b],
                noise=None if batch.noise is None else batch.noise[b],
                target=None if batch.targets is None else batch.targets[b],
            )
        )
    return taken


# What the policy thinks of an episode


def judge(policy: Policy, episode: Episode, target: NDArray[np.uint8] | None) -> tuple[list[Step], float]:
    """Each action after ``target``; and the value of what follows the last one, 0 where the episode is over."""
    state = policy.initial_state(1)
    if episode.memory is not None:
        state = torch.from_numpy(episode.memory).to(policy.dtype).unsqueeze(0).chunk(len(state), 1)
    seen_target = None if target is None else policy.see(torch.from_numpy(target[None]))
    noise = None if episode.noise is None else torch.from_numpy(episode.noise[None])
    before, steps = episode.before, []
    for t, picture in enumerate(episode.pictures):
        if t == len(episode.actions) and episode.over:
            return steps, 0.0
        seen = np.full_like(picture, 255) if policy.blind else picture
        inputs = Inputs(
            seen=policy.see(torch.from_numpy(seen[None, None])),
            previous_action=torch.tensor([[before]]),
            step=torch.tensor([episode.first_step + t]),
            noise=noise,
            target=seen_target,
        )
        features, value, state = policy.core(inputs, state)
        if t == len(episode.actions):
            break
        log_prob, entropy = decode(policy, features[0], inputs, episode.actions[t])
        steps.append(Step(log_prob, entropy, value.squeeze()))
        before = episode.actions[t]
    return steps, value.item()


def decode(policy: Policy, features: Tensor, inputs: Inputs, action: list[int]) -> tuple[Tensor, list[Tensor | float]]:
    """log π(a), the sum over the components that count, and the entropy of each; ``features`` are ``[1, D]``."""
    spec, flag, step = policy.spec, action[0], int(inputs.step)
    sight = policy.sight(inputs, 1)
    log_prob, entropy = torch.zeros((), dtype=policy.dtype), []
    for k, value in enumerate(action):
        logits = policy.logits(k, features, sight)[0]
        allowed = allowed_flags(policy, step) if k == 0 else list(range(spec.sizes[k]))
        if not spec.counts or spec.counts[flag][k]:
            p = logits[allowed].softmax(0)
            log_prob = log_prob + p[allowed.index(value)].log()
            entropy.append(-(p * p.log()).sum())
        else:
            entropy.append(0.0)
        if k + 1 < len(spec):
            features = policy.advance(k, features, torch.tensor([value]), sight)
    return log_prob, entropy


def allowed_flags(policy: Policy, step: int) -> list[int]:
    """The flags that ``policy.moves`` allows; a flag paints if every component counts for it."""
    counts = policy.spec.counts or ((True,),)
    flags = range(policy.spec.sizes[0])
    if policy.moves == "free" or not policy.spec.counts:
        return list(flags)
    if policy.moves == "first":
        return [flag for flag in flags if step == 0 or all(counts[flag])]
    return [flag for flag in flags if all(counts[flag]) == (step % 2 == 1)]


# What an episode was worth


def lambda_returns(
    rewards: Sequence[float], values: Sequence[float], after: float, discount: float, decay: float
) -> list[float]:
    """(1 − λ) Σ λⁿ⁻¹ Gⁿ, the mixture of n-step returns Gⁿ = r_s + … + γⁿ⁻¹ r_{s+n−1} + γⁿ V(x_{s+n})."""
    T, values = len(rewards), [*values, after]
    returns = []
    for s in range(T):
        mixture = 0.0
        for n in range(1, T - s + 1):
            n_step = sum(discount**i * rewards[s + i] for i in range(n)) + discount**n * values[s + n]
            mixture += (decay ** (n - 1) if s + n == T else (1 - decay) * decay ** (n - 1)) * n_step
        returns.append(mixture)
    return returns


def v_trace(
    ratios: Sequence[float], rewards: Sequence[float], values: Sequence[float], after: float, config: LearnerConfig
) -> tuple[list[float], list[float]]:
    """The sum of [I], section 4.1; and advantages, which with λ < 1 look ahead by the trace's own mixture."""
    T, values, objective = len(rewards), [*values, after], config.objective
    assert isinstance(objective, VTrace)
    rho = [min(objective.rho_bar, ratio) for ratio in ratios]
    c = [config.trace_decay * min(objective.c_bar, ratio) for ratio in ratios]
    delta = [rho[t] * (rewards[t] + config.discount * values[t + 1] - values[t]) for t in range(T)]
    targets = [
        values[s] + sum(config.discount ** (t - s) * math.prod(c[s:t]) * delta[t] for t in range(s, T))
        for s in range(T)
    ] + [after]
    ahead = [value + config.trace_decay * (v - value) for v, value in zip(targets, values, strict=True)]
    return targets[:T], [rewards[s] + config.discount * ahead[s + 1] - values[s] for s in range(T)]


def worth(steps: list[Step], after: float, episode: Episode, config: LearnerConfig) -> tuple[list[float], list[float]]:
    """What the value should have been before each action, and each action's advantage."""
    values = [step.value.item() for step in steps]
    if isinstance(config.objective, VTrace):
        ratios = [
            math.exp(step.log_prob.item() - behaviour) for step, behaviour in zip(steps, episode.behaviour, strict=True)
        ]
        return v_trace(ratios, episode.rewards, values, after, config)
    targets = lambda_returns(episode.rewards, values, after, config.discount, config.trace_decay)
    return targets, [target - value for target, value in zip(targets, values, strict=True)]


def less_companions(episodes: list[Episode], advantages: list[list[float]]) -> list[list[float]]:
    """Each less the mean of the other episodes with its target, at the same step [K]."""
    told = []
    for b, one in enumerate(episodes):
        others = [o for o, other in enumerate(episodes) if o != b and companions(one, other)]
        mean = [sum(advantages[o][t] for o in others) / max(1, len(others)) for t in range(len(one.actions))]
        told.append([advantage - m for advantage, m in zip(advantages[b], mean, strict=True)])
    return told


def companions(one: Episode, other: Episode) -> bool:
    """Paintings of one target; of unrolls those that begin at one step."""
    return np.array_equal(one.target, other.target) and one.first_step == other.first_step


# The loss


def policy_loss(log_prob: Tensor, behaviour: float, proximal: float, advantage: float, config: LearnerConfig) -> Tensor:
    """The policy loss of one action; only ``log_prob`` is differentiated."""
    match config.objective:
        case Clip(clip=clip):  # [P], equation 7
            return -surrogate((log_prob - behaviour).exp(), advantage, clip)
        case Decoupled(clip=clip, rho_bar=rho_bar):  # [H], equation 4, its weight truncated
            weight = min(math.exp(proximal - behaviour), rho_bar)
            return -weight * surrogate((log_prob - proximal).exp(), advantage, clip)
        case VTrace(rho_bar=rho_bar):  # [I], section 4.2
            return -min(rho_bar, math.exp(log_prob.item() - behaviour)) * advantage * log_prob
    return -advantage * log_prob


def surrogate(ratio: Tensor, advantage: float, clip: float) -> Tensor:
    """min(r A, clip(r, 1 − ε, 1 + ε) A)."""
    within = min(max(ratio.item(), 1 - clip), 1 + clip)
    clipped = ratio if within == ratio.item() else ratio.new_tensor(within)
    return min(ratio * advantage, clipped * advantage, key=Tensor.item)


@dataclass
class SecondWriting:
    """Learns in step with a ``PolicyLearner`` that was made from the same policy, configuration and seed."""

    policy: Policy
    config: LearnerConfig
    seed: int
    frames_before: int = 0
    frames: int = 0
    run_share: float = 0.0
    updates: int = 0
    held: int = 0
    rate: float = 0.0
    average: Arrays = field(default_factory=dict)
    moments: dict[str, Arrays] = field(default_factory=lambda: {"exp_avg": {}, "exp_avg_sq": {}, "square_avg": {}})
    steps: dict[str, int] = field(default_factory=dict)
    """Updates of each parameter; one that no loss rests on has none."""
    last: Learnt | None = None
    """The last update."""

    def __post_init__(self) -> None:
        self.policy = copy.deepcopy(self.policy)
        self.average = self.weights()
        self.shuffle = np.random.default_rng(self.seed)

    def weights(self) -> Arrays:
        """Copies."""
        return {name: p.detach().numpy().astype(np.float64) for name, p in self.policy.named_parameters()}

    def learn(self, batch: Trajectory, rewards: NDArray[np.float32]) -> None:
        """Use a batch ``reuse`` times, in so many ``minibatches`` each; then let the average follow."""
        if self.held < self.config.hold_batches:
            self.held += 1
            return
        config = self.config
        episodes = episodes_of(batch, rewards, self.policy.num_actions)
        with torch.no_grad():
            judged = [judge(self.policy, e, e.target)[0] for e in episodes if isinstance(config.objective, Decoupled)]
        proximal = [[step.log_prob.item() for step in steps] for steps in judged] or [e.behaviour for e in episodes]
        self.rate = config.learning_rate * self.left(config.learning_rate_floor, config.learning_rate_frames)
        updates = 0
        for chosen in self.minibatches(episodes):
            self.last = self.gradient(batch, episodes, proximal, chosen)
            self.apply(self.last.gradient)
            updates += 1
        self.updates += updates
        # Early on it forgets faster, or the first weights would linger; the weights hardly move within a batch.
        length = self.left(config.average_floor, None) / (1 - config.average)
        kept = min(max(0.0, 1 - 1 / length), (1 + self.updates) / (10 + self.updates)) ** updates
        self.average = {name: kept * self.average[name] + (1 - kept) * now for name, now in self.weights().items()}
        self.frames += sum(len(episode.actions) for episode in episodes)

    def left(self, floor: float, over: int | None) -> float:
        """What is left of a rate: from 1 down to ``floor``, linearly, over so many frames or over the run."""
        reached = self.run_share if over is None else (self.frames_before + self.frames) / over
        return max(floor, 1 - (1 - floor) * reached)

    def minibatches(self, episodes: list[Episode]) -> Iterator[list[int]]:
        """Whole episodes in an order at random; companions stay together, in the order in which they came."""
        size = len(episodes) // self.config.minibatches
        for _ in range(self.config.reuse):
            if self.config.paintings_per_target > 1:
                order = self.together(episodes)
            else:
                order = self.shuffle.permutation(len(episodes)).tolist()
            for start in range(0, len(order), size):
                yield order[start : start + size]

    def together(self, episodes: list[Episode]) -> list[int]:
        """Group after group; groups are numbered by the bytes of their target and step, the g-th is at ``place[g]``."""
        keys = [e.target.tobytes() + np.int32(e.first_step).tobytes() for e in episodes if e.target is not None]
        groups = sorted(set(keys))
        place = self.shuffle.permutation(len(groups))
        return sorted(range(len(episodes)), key=lambda b: place[groups.index(keys[b])])

    def gradient(
        self, batch: Trajectory, episodes: list[Episode], proximal: list[list[float]], chosen: list[int]
    ) -> Learnt:
        """The gradient of the loss over some episodes: policy + c_v · value − Σ_k c_k · entropy_k + h · hindsight.

        Each term is a mean over all actions; padding of an unroll counts in the mean and adds nothing.
        """
        config, names = self.config, self.policy.spec.names
        mine = [episodes[b] for b in chosen]
        judged = [judge(self.policy, episode, episode.target) for episode in mine]
        worths = [worth(*judgement, episode, config) for judgement, episode in zip(judged, mine, strict=True)]
        targets, advantages = [w[0] for w in worths], [w[1] for w in worths]
        if config.paintings_per_target > 1:
            advantages = less_companions(mine, advantages)
        actions = len(batch.actions) * len(chosen)
        costs = [config.entropy_costs.get(name, config.entropy_cost) for name in names]
        costs = [cost * self.left(config.entropy_floor, config.entropy_frames) for cost in costs]
        zero = torch.zeros((), dtype=self.policy.dtype)
        losses = {"policy": zero, "value": zero} | ({"hindsight": zero} if config.hindsight else {})
        bonus = zero
        for i, episode in enumerate(mine):
            for t, step in enumerate(judged[i][0]):
                losses["policy"] = losses["policy"] + policy_loss(
                    step.log_prob, episode.behaviour[t], proximal[chosen[i]][t], advantages[i][t], config
                )
                losses["value"] = losses["value"] + 0.5 * (targets[i][t] - step.value) ** 2
                bonus = bonus + sum(cost * h for cost, h in zip(costs, step.entropy, strict=True))
            if config.hindsight:  # what it painted, as if it had been asked for
                for step in judge(self.policy, episode, episode.pictures[-1])[0]:
                    losses["hindsight"] = losses["hindsight"] - step.log_prob
        losses, bonus = {name: loss / actions for name, loss in losses.items()}, bonus / actions
        total = losses["policy"] + config.value_cost * losses["value"] - bonus
        total = total + config.hindsight * losses.get("hindsight", zero)
        gradient = differentiate(total, self.policy)
        norm = math.sqrt(sum(float((g**2).sum()) for g in gradient.values()))
        if norm > config.gradient_clip:  # PyTorch's clipping adds the millionth
            gradient = {name: g * config.gradient_clip / (norm + 1e-6) for name, g in gradient.items()}
        told = {name: loss.item() for name, loss in losses.items()} | {"gradient_norm": norm}
        return Learnt(gradient, told, mean_entropies(names, [step for steps, _ in judged for step in steps]))

    def apply(self, gradient: Arrays) -> None:
        """Adam (Kingma & Ba 2015, algorithm 1), or RMSProp with IMPALA's constants."""
        moments, weights = self.moments, self.weights()
        for name, g in gradient.items():
            self.steps[name] = t = self.steps.get(name, 0) + 1
            if self.config.optimiser == "adam":
                m = moments["exp_avg"][name] = 0.9 * moments["exp_avg"].get(name, 0) + 0.1 * g
                v = moments["exp_avg_sq"][name] = 0.999 * moments["exp_avg_sq"].get(name, 0) + 0.001 * g**2
                move = (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
            else:
                v = moments["square_avg"][name] = 0.99 * moments["square_avg"].get(name, 0) + 0.01 * g**2
                move = g / (np.sqrt(v) + 0.1)
            weights[name] -= self.rate * move
        with torch.no_grad():
            for name, parameter in self.policy.named_parameters():
                parameter.copy_(torch.from_numpy(weights[name]))


def differentiate(total: Tensor, policy: Policy) -> Arrays:
    """Gradients by autograd; parameters without a part in ``total`` are left out."""
    names, parameters = zip(*policy.named_parameters(), strict=True)
    gradients = torch.autograd.grad(total, parameters, allow_unused=True)
    return {n: g.numpy().astype(np.float64) for n, g in zip(names, gradients, strict=True) if g is not None}


def mean_entropies(names: Sequence[str], steps: list[Step]) -> dict[str, float]:
    """Mean entropy of each component over the actions for which it counts; 0 if there are none."""
    means = {}
    for k, name in enumerate(names):
        counted = [h.item() for h in (step.entropy[k] for step in steps) if isinstance(h, Tensor)]
        means[name] = sum(counted) / max(1, len(counted))
    return means
