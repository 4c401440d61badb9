"""What a learner and its actors agree on in the run that the suite plays."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from spiral.config import RunConfig, load_config
from spiral.conformance.peers.squares import SHAPE, SPEC, blank, paint
from spiral.trajectories import Trajectory, TrajectoryContract
from spiral.v1.trajectory_pb2 import TrajectoryHeader
from spiral.versions import Version
from spiral.wire import tensors
from spiral.wire.contract import version_to_proto


@dataclass(frozen=True, slots=True)
class Task:
    """A run's configuration, on the engine that the suite plays."""

    name: str
    settings: tuple[str, ...]
    config: RunConfig

    @classmethod
    def load(cls, name: str, settings: Sequence[str]) -> Task:
        """From a preset or a file and single settings; ValueError with a sentence."""
        config = load_config(name, settings)
        if config.num_actions > config.unroll:
            raise ValueError(
                f"num_actions: episodes of {config.num_actions} actions come in several messages of {config.unroll} "
                f"(unroll), and the suite plays whole ones; --set num_actions={config.unroll} is right"
            )
        return cls(name, tuple(settings), config)

    @property
    def contract(self) -> TrajectoryContract:
        """Shapes of the run's trajectories."""
        config = self.config
        return TrajectoryContract(SPEC, SHAPE, config.num_actions, config.conditional, config.policy.noise)

    @property
    def batch(self) -> int:
        """Episodes of a trajectory."""
        return self.config.actor.batch

    def environment(self) -> dict[str, str]:
        """How a target is told of the run."""
        return {"SPIRAL_CONFIG": self.name, "SPIRAL_SET": json.dumps(self.settings)}

    def trajectory(self, seed: int) -> Trajectory:
        """Random actions, what they paint, and their probability under a policy that prefers nothing."""
        rng, contract = np.random.default_rng(seed), self.contract
        T, B = contract.num_actions, self.batch
        actions = rng.integers(0, SPEC.sizes, (T, B, len(SPEC))).astype(np.int32)
        frames = [blank(B)]
        for each in actions:
            frames.append(paint(frames[-1], each))
        log_prob = -(SPEC.mask(actions) * np.log(SPEC.sizes)).sum(-1)
        return Trajectory(
            np.stack(frames),
            actions,
            log_prob.astype(np.float32),
            rng.normal(size=(B, contract.noise)).astype(np.float32) if contract.noise else None,
            rng.integers(0, 256, (B, *SHAPE), np.uint8) if contract.conditional else None,
        )


def header_of(
    trajectory: Trajectory, digest: str, actor_id: str, incarnation: int, sequence: int, version: Version
) -> TrajectoryHeader:
    """A header that describes a trajectory painted by one version."""
    return TrajectoryHeader(
        actor_id=actor_id,
        incarnation=incarnation,
        sequence=sequence,
        contract_digest=digest,
        oldest_version=version_to_proto(version),
        newest_version=version_to_proto(version),
        tensors=[tensors.spec_of(name, array) for name, array in trajectory.tensors().items()],
        duration_s=0.1,
    )
