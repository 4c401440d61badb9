"""Trajectories and messages of a small contract, which the tests of both ends of the protocol share."""

from __future__ import annotations

import numpy as np

from spiral.actions import ActionSpec, Component
from spiral.trajectories import Trajectory, TrajectoryContract
from spiral.v1.trajectory_pb2 import ActorMessage, Hello, TrajectoryHeader
from spiral.versions import Version
from spiral.wire import tensors
from spiral.wire.contract import version_to_proto

SPEC = ActionSpec(
    (Component("flag", 2, "choice"), Component("end", 16, "grid"), Component("size", 4, "choice")),
    ((True, True, False), (True, True, True)),
)
CONTRACT = TrajectoryContract(SPEC, (4, 4, 1), num_actions=3, conditional=False, noise=0)
BATCH = 2
VERSION = Version(3, 10)


def make_trajectory(contract: TrajectoryContract = CONTRACT, seed: int = 0) -> Trajectory:
    rng = np.random.default_rng(seed)
    T, K = contract.num_actions, len(contract.spec)
    return Trajectory(
        rng.integers(0, 256, (T + 1, BATCH, *contract.observation_shape), np.uint8),
        rng.integers(0, contract.spec.sizes, (T, BATCH, K)).astype(np.int32),
        -rng.random((T, BATCH), np.float32),
        rng.normal(size=(BATCH, contract.noise)).astype(np.float32) if contract.noise else None,
        rng.integers(0, 256, (BATCH, *contract.observation_shape), np.uint8) if contract.conditional else None,
    )


def make_header(trajectory: Trajectory, sequence: int = 1, contract: TrajectoryContract = CONTRACT) -> TrajectoryHeader:
    return TrajectoryHeader(
        actor_id="a",
        incarnation=7,
        sequence=sequence,
        contract_digest=contract.digest,
        oldest_version=version_to_proto(VERSION),
        newest_version=version_to_proto(VERSION),
        tensors=[tensors.spec_of(name, array) for name, array in trajectory.tensors().items()],
        duration_s=0.5,
    )


def frames_of(header: TrajectoryHeader, trajectory: Trajectory) -> list[memoryview]:
    first = ActorMessage(trajectory=header).SerializeToString()
    return [memoryview(first), *(tensors.frame_of(array) for array in trajectory.tensors().values())]


def hello(actor_id: str = "a", incarnation: int = 7, digest: str = CONTRACT.digest) -> list[memoryview]:
    message = ActorMessage(hello=Hello(actor_id=actor_id, incarnation=incarnation, contract_digest=digest))
    return [memoryview(message.SerializeToString())]
