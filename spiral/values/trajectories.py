"""The record of a group of episodes, and the shapes that a run's trajectories must have.

A long episode is cut into *unrolls* of equal length. Each records its actions and what a learner must know about those
before. If the last one is shorter, it is padded: its last picture is repeated, and its actions are zeros.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spiral.values.actions import ActionSpec, contract_digest


@dataclass(frozen=True, slots=True)
class Trajectory:
    """``B`` episodes of ``T`` actions painted in lockstep, time-major; or an unroll of ``T`` actions of each."""

    observations: NDArray[np.uint8]
    """``[T + 1, B, H, W, C]``; the first is the blank start, or in an unroll the picture before its first action."""
    actions: NDArray[np.int32]
    """``[T, B, K]``."""
    behaviour_log_prob: NDArray[np.float32]
    """``[T, B]``: joint log-probability of the components that count, under the weights that painted."""
    noise: NDArray[np.float32] | None = None
    """``[B, Z]`` if the policy takes noise."""
    targets: NDArray[np.uint8] | None = None
    """``[B, H, W, C]`` in a conditional run."""
    first_step: NDArray[np.int32] | None = None
    """``[B]``, in an unroll: the number of actions executed before it."""
    earlier: NDArray[np.int32] | None = None
    """``[S, B, K]``, in an unroll: those actions, then zeros; S is where the last unroll of an episode begins."""
    blank: NDArray[np.uint8] | None = None
    """``[B, H, W, C]``, in an unroll: the blank start of the episode."""
    state: NDArray[np.float32] | None = None
    """``[B, M]``, in an unroll of a policy with memory: its state before the first action."""

    @property
    def batch(self) -> int:
        """Number of episodes B."""
        return int(self.actions.shape[1])

    def program(self, num_actions: int) -> NDArray[np.int32]:
        """All actions since the episodes' start: int32 ``[num_actions, B, K]``, zeros after an unroll's end."""
        if self.first_step is None or self.earlier is None:
            return self.actions
        length, batch, components = self.actions.shape
        program = np.zeros((len(self.earlier) + length, batch, components), np.int32)
        program[: len(self.earlier)] = self.earlier
        program[self.first_step + np.arange(length)[:, None], np.arange(batch)] = self.actions
        return program[:num_actions]

    def tensors(self) -> dict[str, NDArray[Any]]:
        """The arrays that are present, by name, in the order on the wire."""
        named: dict[str, NDArray[Any] | None] = {
            "observations": self.observations,
            "actions": self.actions,
            "behaviour_log_prob": self.behaviour_log_prob,
            "noise": self.noise,
            "targets": self.targets,
            "first_step": self.first_step,
            "earlier": self.earlier,
            "blank": self.blank,
            "state": self.state,
        }
        return {name: array for name, array in named.items() if array is not None}

    @property
    def nbytes(self) -> int:
        """Number of bytes of all arrays."""
        return sum(array.nbytes for array in self.tensors().values())


def concatenate(trajectories: Sequence[Trajectory]) -> Trajectory:
    """One trajectory ``[T, ΣB, …]`` that owns its arrays.

    It always copies: arrays from the network lie in read-only memory whose slot must be freed.
    """
    parts = [trajectory.tensors() for trajectory in trajectories]
    # Arrays with a time axis have it first.
    timed = ("observations", "actions", "behaviour_log_prob", "earlier")
    return Trajectory(**{name: np.concatenate([part[name] for part in parts], int(name in timed)) for name in parts[0]})


def even_unroll(num_actions: int, most: int) -> int:
    """Length of the fewest equal unrolls, of at most ``most`` actions, that make up an episode.

    Equal lengths need the least padding in the last one.
    """
    return -(-num_actions // -(-num_actions // most))


def last_start(num_actions: int, unroll: int) -> int:
    """Number of actions of an episode before its last unroll."""
    return (num_actions - 1) // unroll * unroll


@dataclass(frozen=True, slots=True)
class TrajectoryContract:
    """The format of a run's trajectories; actor and learner derive it from the same facts."""

    spec: ActionSpec
    observation_shape: tuple[int, int, int]
    num_actions: int
    conditional: bool
    noise: int
    """Length of the noise vector; 0: none."""
    unroll: int | None = None
    """Actions of a message; None, or the length of an episode: episodes are not cut."""
    state: int = 0
    """Length of the policy's memory; 0: none."""

    @property
    def cut(self) -> bool:
        """Whether an episode comes in several messages."""
        return self.unroll is not None and self.unroll < self.num_actions

    @property
    def length(self) -> int:
        """Actions of a message."""
        return self.unroll if self.unroll is not None and self.cut else self.num_actions

    @property
    def digest(self) -> str:
        """The contract digest, hex SHA-256."""
        unroll = self.unroll if self.cut else None
        return contract_digest(self.spec, self.observation_shape, self.num_actions, self.conditional, unroll)

    def tensors(self, batch: int) -> dict[str, tuple[type[np.generic], tuple[int, ...]]]:
        """Type and shape of each tensor of a trajectory of ``batch`` episodes, in the order on the wire."""
        T, K = self.length, len(self.spec)
        expected: dict[str, tuple[type[np.generic], tuple[int, ...]]] = {
            "observations": (np.uint8, (T + 1, batch, *self.observation_shape)),
            "actions": (np.int32, (T, batch, K)),
            "behaviour_log_prob": (np.float32, (T, batch)),
        }
        if self.noise:
            expected["noise"] = (np.float32, (batch, self.noise))
        if self.conditional:
            expected["targets"] = (np.uint8, (batch, *self.observation_shape))
        if self.cut:
            expected["first_step"] = (np.int32, (batch,))
            expected["earlier"] = (np.int32, (last_start(self.num_actions, T), batch, K))
            expected["blank"] = (np.uint8, (batch, *self.observation_shape))
            if self.state:
                expected["state"] = (np.float32, (batch, self.state))
        return expected

    def nbytes(self, batch: int) -> int:
        """Bytes of a trajectory of ``batch`` episodes."""
        return sum(int(np.prod(shape)) * np.dtype(dtype).itemsize for dtype, shape in self.tensors(batch).values())
