"""Turns scores of pictures into rewards of actions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spiral.configuration.schema import LearnerConfig
from spiral.services.learner.unrolls import Places
from spiral.values.actions import ActionSpec
from spiral.values.strokes import begun, lengths
from spiral.values.trajectories import Trajectory

REWARD_LIMIT = 10.0
"""Scaled rewards are clipped here: a deviation that is still small at the start would blow them up."""


def combine_terms(terms: Mapping[str, NDArray[np.float32]], weights: Mapping[str, float]) -> NDArray[np.float32]:
    """Weighted sum of named scores ``[F, B]``; without weights only the first term.

    Raises ValueError if the discriminator did not answer a weighted term.
    """
    if not weights:
        return next(iter(terms.values()))
    missing = weights.keys() - terms.keys()
    if missing:
        raise ValueError(f"learner.terms: {sorted(missing)} not answered by the discriminator; it has {sorted(terms)}")
    total: NDArray[np.float32] = sum(np.float32(w) * terms[name] for name, w in weights.items())  # type: ignore[assignment]
    return total


def final_rewards(scores: NDArray[np.float32], where: Places) -> NDArray[np.float32]:
    """The score of the last picture, paid at the last action: ``[F, B]`` → ``[F − 1, B]`` (Ganin et al. 2018)."""
    return where.at_end(scores[-1])


def score_differences(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """D(x_t) − D(x_{t−1}) for each action: ``[F, B]`` → ``[F − 1, B]`` (Mellor et al. 2019).

    There is no γ before the first term, so with γ = 1 they sum to D(x_T) − D(blank). The same holds over the unrolls of
    an episode: each begins with the picture that ended the previous one, and one judge scores both ends of an unroll.
    """
    return np.diff(scores, axis=0)


def blank_penalties(trajectory: Trajectory, where: Places) -> NDArray[np.float32]:
    """``[T, B]``: 1 at the last action of an episode whose final picture is blank."""
    blank = trajectory.observations[0] if trajectory.blank is None else trajectory.blank
    untouched = (trajectory.observations[-1] == blank).reshape(len(blank), -1).all(1)
    return where.at_end(untouched.astype(np.float32))


def stroke_penalties(actions: NDArray[np.int32], spec: ActionSpec) -> NDArray[np.float32]:
    """``[T, B]``: 1 at each action that starts a stroke apart from the one before, except the first stroke."""
    if not spec.counts:
        return np.zeros(actions.shape[:2], np.float32)
    return begun(actions, spec).astype(np.float32)


@dataclass(slots=True)
class RunningDeviation:
    """Standard deviation of a stream of scores, with exponential forgetting."""

    decay: float = 0.99
    mean: float = 0.0
    square: float = 0.0
    weight: float = 0.0

    def update(self, scores: NDArray[np.float32]) -> None:
        """Take in a batch of scores."""
        for name, value in (("mean", scores.mean()), ("square", np.square(scores).mean()), ("weight", 1.0)):
            setattr(self, name, self.decay * getattr(self, name) + (1 - self.decay) * float(value))

    @property
    def value(self) -> float:
        """The deviation; 1 before the first batch."""
        if not self.weight:
            return 1.0
        mean = self.mean / self.weight
        return max(math.sqrt(max(self.square / self.weight - mean * mean, 0.0)), 1e-6)


def rewards_of(
    trajectory: Trajectory,
    scores: NDArray[np.float32],
    config: LearnerConfig,
    spec: ActionSpec,
    deviation: RunningDeviation,
    where: Places,
) -> NDArray[np.float32]:
    """Rewards ``[T, B]`` of a trajectory whose ``T + 1`` observations have the ``scores`` ``[T + 1, B]``.

    The rewards of an episode's unrolls, put together, are those of the whole episode.
    """
    rewards = score_differences(scores) if config.reward == "tca" else final_rewards(scores, where)
    if trajectory.first_step is not None:
        rewards = np.where(where.valid, rewards, np.float32(0))
    if config.reward_scale == "deviation":
        if where.ends.any():
            deviation.update(scores[-1, where.ends])
        rewards = np.clip(rewards / np.float32(deviation.value), -REWARD_LIMIT, REWARD_LIMIT)
    if config.blank_penalty:
        rewards = rewards - np.float32(config.blank_penalty) * blank_penalties(trajectory, where)
    if config.stroke_penalty or config.length_penalty:
        program = trajectory.program(where.num_actions)
        if config.stroke_penalty:
            rewards = rewards - np.float32(config.stroke_penalty) * where.here(stroke_penalties(program, spec))
        if config.length_penalty:
            rewards = rewards - np.float32(config.length_penalty) * where.here(lengths(program, spec))
    return rewards
