"""Trajectories and messages of a small contract, which the tests of both ends of the protocol share."""

from __future__ import annotations

import dataclasses

import numpy as np

from spiral.services.learner.admission import Admission
from spiral.v1.trajectory_pb2 import ActorMessage, Hello, TrajectoryHeader
from spiral.values.actions import ActionSpec, Component
from spiral.values.trajectories import Trajectory, TrajectoryContract
from spiral.values.versions import Version
from spiral.wire import tensors
from spiral.wire.contract import version_to_proto

SPEC = ActionSpec(
    (Component("flag", 2, "choice"), Component("end", 16, "grid"), Component("size", 4, "choice")),
    ((True, True, False), (True, True, True)),
)
CONTRACT = TrajectoryContract(SPEC, (4, 4, 1), num_actions=3, conditional=False, noise=0)
BATCH = 2
VERSION = Version(3, 10)


def make_admission(contract: TrajectoryContract = CONTRACT, **overrides: int) -> Admission:
    """The learner's end, with four slots unless told otherwise."""
    sizes = {"batch": BATCH, "learner_batch": 2, "queue": 4, "queue_bytes": 1 << 20, "credits_per_actor": 2}
    return Admission(contract, VERSION, **(sizes | overrides))


def make_trajectory(contract: TrajectoryContract = CONTRACT, seed: int = 0) -> Trajectory:
    """A random trajectory that the contract allows."""
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
    """Its header, from actor "a" of incarnation 7."""
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
    """The whole message."""
    first = ActorMessage(trajectory=header).SerializeToString()
    return [memoryview(first), *(tensors.frame_of(array) for array in trajectory.tensors().values())]


def hello(actor_id: str = "a", incarnation: int = 7, digest: str = CONTRACT.digest) -> list[memoryview]:
    """The message that introduces an actor."""
    message = ActorMessage(hello=Hello(actor_id=actor_id, incarnation=incarnation, contract_digest=digest))
    return [memoryview(message.SerializeToString())]


def changed_header(**changes: object) -> list[memoryview]:
    """A message with other header fields."""
    trajectory = make_trajectory()
    header = make_header(trajectory)
    for name, value in changes.items():
        if hasattr(value, "SerializeToString"):
            getattr(header, name).CopyFrom(value)
        else:
            setattr(header, name, value)
    return frames_of(header, trajectory)


def changed_tensor(name: str, array: np.ndarray) -> list[memoryview]:
    """A message with another tensor, which the header describes rightly."""
    trajectory = dataclasses.replace(make_trajectory(), **{name: array})
    return frames_of(make_header(trajectory), trajectory)


def with_value(name: str, value: float) -> list[memoryview]:
    """A message with another last element of one tensor."""
    array = make_trajectory().tensors()[name].copy()
    array.flat[-1] = value
    return changed_tensor(name, array)


def cut(frames: list[memoryview], index: int) -> list[memoryview]:
    """The message without the last byte of one frame."""
    return [frame[:-1] if i == index else frame for i, frame in enumerate(frames)]


GOOD = frames_of(make_header(make_trajectory()), make_trajectory())
"""A message that is accepted after a hello."""
REFUSED: dict[str, tuple[list[memoryview], str, str]] = {
    "another digest": (changed_header(contract_digest="x"), "DIGEST", "x"),
    "an old generation": (changed_header(oldest_version=version_to_proto(Version(2, 99))), "GENERATION", "2"),
    "a future generation": (changed_header(newest_version=version_to_proto(Version(4, 11))), "GENERATION", "4"),
    "weights that never were": (changed_header(newest_version=version_to_proto(Version(3, 99))), "GENERATION", "99"),
    "newest older than oldest": (changed_header(newest_version=version_to_proto(Version(3, 9))), "MALFORMED", "9"),
    "sequence 0": (changed_header(sequence=0), "MALFORMED", "sequence"),
    "a duration that is no number": (changed_header(duration_s=float("nan")), "VALUE", "duration_s"),
    "another sender": (changed_header(actor_id="b"), "NO_HELLO", "b"),
    "another type": (changed_tensor("actions", np.zeros((3, 2, 3), np.int64)), "DTYPE", "int64"),
    "another shape": (changed_tensor("actions", np.zeros((3, 2, 4), np.int32)), "SHAPE", "[3, 2, 4]"),
    "a transposed shape": (changed_tensor("behaviour_log_prob", np.zeros((2, 3), np.float32)), "SHAPE", "[2, 3]"),
    "a superfluous tensor": (changed_tensor("noise", np.zeros((2, 5), np.float32)), "TENSORS", "noise"),
    "a missing frame": (GOOD[:-1], "TENSORS", "frames"),
    "a superfluous frame": ([*GOOD, GOOD[-1]], "TENSORS", "frames"),
    "a short frame": (cut(GOOD, 1), "SIZE", "observations"),
    "too large a message": ([*GOOD[:-1], memoryview(bytes(1 << 20))], "SIZE", "message"),
    "an action below its range": (with_value("actions", -1), "VALUE", "-1 is outside 0…3"),
    "an action above its range": (with_value("actions", 4), "VALUE", "4 is outside 0…3"),
    "a log-probability of NaN": (with_value("behaviour_log_prob", np.nan), "VALUE", "nan"),
    "a log-probability of -inf": (with_value("behaviour_log_prob", -np.inf), "VALUE", "inf"),
    "a positive log-probability": (with_value("behaviour_log_prob", 0.01), "VALUE", "0.0"),
}
"""What is refused after a hello: the message, the reason, and a word of the sentence."""
