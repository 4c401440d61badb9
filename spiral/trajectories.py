"""The record of a group of episodes, and the shapes that a run's trajectories must have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spiral.actions import ActionSpec, contract_digest


@dataclass(frozen=True, slots=True)
class Trajectory:
    """``B`` episodes of ``T`` actions painted in lockstep, time-major."""

    observations: NDArray[np.uint8]
    """``[T + 1, B, H, W, C]``; the first is the blank start."""
    actions: NDArray[np.int32]
    """``[T, B, K]``."""
    behaviour_log_prob: NDArray[np.float32]
    """``[T, B]``, joint log-probability of the components that count, under the weights that painted."""
    noise: NDArray[np.float32] | None = None
    """``[B, Z]`` where the policy takes noise."""
    targets: NDArray[np.uint8] | None = None
    """``[B, H, W, C]`` in a conditional run."""

    @property
    def batch(self) -> int:
        """Number of episodes B."""
        return int(self.actions.shape[1])

    def tensors(self) -> dict[str, NDArray[Any]]:
        """The arrays that are there, by name, in the order in which they travel."""
        named: dict[str, NDArray[Any] | None] = {
            "observations": self.observations,
            "actions": self.actions,
            "behaviour_log_prob": self.behaviour_log_prob,
            "noise": self.noise,
            "targets": self.targets,
        }
        return {name: array for name, array in named.items() if array is not None}

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        return sum(array.nbytes for array in self.tensors().values())


@dataclass(frozen=True, slots=True)
class TrajectoryContract:
    """What the trajectories of a run look like; actor and learner derive it from the same facts."""

    spec: ActionSpec
    observation_shape: tuple[int, int, int]
    num_actions: int
    conditional: bool
    noise: int
    """Length of the noise vector, 0 where there is none."""

    @property
    def digest(self) -> str:
        """The contract digest, hex SHA-256."""
        return contract_digest(self.spec, self.observation_shape, self.num_actions, self.conditional)

    def tensors(self, batch: int) -> dict[str, tuple[type[np.generic], tuple[int, ...]]]:
        """Type and shape of each tensor of a trajectory of ``batch`` episodes, in the order in which they travel."""
        T, K = self.num_actions, len(self.spec)
        expected: dict[str, tuple[type[np.generic], tuple[int, ...]]] = {
            "observations": (np.uint8, (T + 1, batch, *self.observation_shape)),
            "actions": (np.int32, (T, batch, K)),
            "behaviour_log_prob": (np.float32, (T, batch)),
        }
        if self.noise:
            expected["noise"] = (np.float32, (batch, self.noise))
        if self.conditional:
            expected["targets"] = (np.uint8, (batch, *self.observation_shape))
        return expected

    def nbytes(self, batch: int) -> int:
        """Bytes of a trajectory of ``batch`` episodes."""
        return sum(int(np.prod(shape)) * np.dtype(dtype).itemsize for dtype, shape in self.tensors(batch).values())
