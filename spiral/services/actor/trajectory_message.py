"""The message that carries a trajectory to the learner: a header, and a frame for each array."""

from __future__ import annotations

from collections.abc import Sequence

from spiral.v1.trajectory_pb2 import ActorMessage, Hello, TrajectoryHeader
from spiral.values.trajectories import Trajectory
from spiral.values.versions import Version
from spiral.wire import tensors
from spiral.wire.contract import version_to_proto

Frames = Sequence[bytes | memoryview]


def trajectory_message(
    hello: Hello, sequence: int, trajectory: Trajectory, oldest: Version, newest: Version, duration_s: float
) -> Frames:
    """The frames of one message; ``hello`` names the sender, and the arrays are not copied."""
    arrays = trajectory.tensors()
    header = TrajectoryHeader(
        actor_id=hello.actor_id,
        incarnation=hello.incarnation,
        sequence=sequence,
        contract_digest=hello.contract_digest,
        oldest_version=version_to_proto(oldest),
        newest_version=version_to_proto(newest),
        tensors=[tensors.spec_of(name, array) for name, array in arrays.items()],
        duration_s=duration_s,
    )
    first = ActorMessage(trajectory=header).SerializeToString()
    return [first, *(tensors.frame_of(array) for array in arrays.values())]
