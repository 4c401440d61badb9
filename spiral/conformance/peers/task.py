"""What a learner and its actors agree on in the run that the suite plays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from spiral.configuration.files import load_config
from spiral.configuration.schema import RunConfig
from spiral.conformance.case import Skip
from spiral.conformance.peers.squares import SHAPE, SPEC, blank, paint
from spiral.conformance.peers.unrolls import cut
from spiral.v1.trajectory_pb2 import TrajectoryHeader
from spiral.values import strict_json
from spiral.values.trajectories import Trajectory, TrajectoryContract, even_unroll
from spiral.values.versions import Version
from spiral.wire import tensors
from spiral.wire.contract import version_to_proto

if TYPE_CHECKING:
    from spiral.policy import Policy


@dataclass(frozen=True, slots=True)
class Task:
    """A run's configuration, on the engine that the suite plays."""

    name: str
    settings: tuple[str, ...]
    config: RunConfig
    memory: int = 0
    """Numbers that the run's policy keeps between two unrolls of an episode."""

    @classmethod
    def load(cls, name: str, settings: Sequence[str]) -> Task:
        """From a preset or a file and single settings; ValueError with a sentence."""
        task = cls(name, tuple(settings), load_config(name, settings))
        return replace(task, memory=task.policy().state_size) if task.contract.cut else task

    @property
    def contract(self) -> TrajectoryContract:
        """Shapes of the run's trajectories."""
        config = self.config
        return TrajectoryContract(
            SPEC,
            SHAPE,
            config.num_actions,
            config.conditional,
            config.policy.noise,
            even_unroll(config.num_actions, config.unroll),
            self.memory,
        )

    def needs_cut(self) -> None:
        """Skip in a run whose episodes come whole."""
        if not self.contract.cut:
            raise Skip("the run's episodes are not cut; --set num_actions=5 --set unroll=2 would do")

    def policy(self) -> Policy:
        """The run's policy, with the same weights every time."""
        import torch  # noqa: PLC0415  (few runs and cases need it)

        from spiral.policy import build_policy  # noqa: PLC0415

        config = self.config
        torch.manual_seed(0)
        return build_policy(config.policy, SPEC, SHAPE, config.num_actions, config.conditional).eval()

    @property
    def batch(self) -> int:
        """Episodes of a trajectory."""
        return self.config.actor.batch

    def environment(self) -> dict[str, str]:
        """How a target is told of the run."""
        return {"SPIRAL_CONFIG": self.name, "SPIRAL_SET": strict_json.exact(self.settings)}

    def trajectory(self, seed: int, first_step: Sequence[int] = ()) -> Trajectory:
        """Random actions, what they paint, and their probability under a policy that prefers nothing.

        Where episodes are cut, unrolls that begin after ``first_step`` [B] actions; empty: with the episodes.
        """
        rng, contract = np.random.default_rng(seed), self.contract
        T, B = contract.num_actions, self.batch
        actions = rng.integers(0, SPEC.sizes, (T, B, len(SPEC))).astype(np.int32)
        actions[0, :, 0] = 1  # two episodes that paint nothing would look alike
        frames = [blank(B)]
        for each in actions:
            frames.append(paint(frames[-1], each))
        log_prob = -(SPEC.mask(actions) * np.log(SPEC.sizes)).sum(-1)
        whole = Trajectory(
            np.stack(frames),
            actions,
            log_prob.astype(np.float32),
            rng.normal(size=(B, contract.noise)).astype(np.float32) if contract.noise else None,
            rng.integers(0, 256, (B, *SHAPE), np.uint8) if contract.conditional else None,
        )
        if not contract.cut:
            return whole
        state = rng.normal(size=(B, self.memory)).astype(np.float32) if self.memory else None
        return cut(whole, contract.length, np.array(first_step or [0] * B, np.int32), state)


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
