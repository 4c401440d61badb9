"""Checks a trajectory from the wire against the run's contract, header first and values last.

Every function raises :class:`RefusedError` or returns; no remote bytes raise anything else.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from spiral.v1.trajectory_pb2 import (
    REASON_DIGEST,
    REASON_DTYPE,
    REASON_GENERATION,
    REASON_MALFORMED,
    REASON_SHAPE,
    REASON_SIZE,
    REASON_TENSORS,
    REASON_VALUE,
    ActorMessage,
    Reason,
    TrajectoryHeader,
)
from spiral.values.trajectories import Trajectory, TrajectoryContract
from spiral.values.versions import Version
from spiral.wire import tensors

MAX_HEADER_BYTES = 1 << 16
"""Largest first frame; a header has about 300 bytes, so anything near this is not one."""
MAX_ACTOR_ID_BYTES = 128
"""The limit in trajectory.proto."""
LOG_PROB_TOLERANCE = 1e-4
"""A log-probability may be this much above 0: a sum of float32 log-softmaxes is not exact."""
_MAX_DETAIL = 400
"""Characters of a refusal's sentence; it may contain the sender's names and shapes, which can have any length."""

_REASONS = {"dtype": REASON_DTYPE, "shape": REASON_SHAPE, "size": REASON_SIZE}


class RefusedError(Exception):
    """A message is refused: a reason of the protocol and a sentence for people."""

    def __init__(self, reason: Reason.ValueType, detail: str) -> None:
        super().__init__(detail[:_MAX_DETAIL])
        self.reason = reason

    @property
    def detail(self) -> str:
        """What was wrong and what was expected."""
        return str(self)


def parse(frame: bytes | memoryview) -> ActorMessage:
    """Read the first frame of an actor's message."""
    if len(frame) > MAX_HEADER_BYTES:
        raise RefusedError(
            REASON_MALFORMED, f"first frame: {len(frame)} bytes; a header has at most {MAX_HEADER_BYTES}"
        )
    message = ActorMessage()
    try:
        message.ParseFromString(bytes(frame))
    except Exception as error:  # DecodeError, and whatever else a protobuf back end raises on strange bytes
        raise RefusedError(REASON_MALFORMED, f"first frame: not an ActorMessage: {error}") from error
    if message.WhichOneof("message") is None:
        raise RefusedError(
            REASON_MALFORMED, "first frame: the ActorMessage is empty; expected a hello or a trajectory header"
        )
    return message


def check_sender(actor_id: str) -> None:
    """Refuse actor ids that a log can't show."""
    if not 0 < len(actor_id.encode()) <= MAX_ACTOR_ID_BYTES:
        raise RefusedError(
            REASON_MALFORMED, f"actor_id: {len(actor_id.encode())} bytes; a name has 1 to {MAX_ACTOR_ID_BYTES}"
        )


def check_digest(digest: str, expected: str) -> None:
    """Refuse a sender that learns another task."""
    if digest != expected:
        raise RefusedError(
            REASON_DIGEST,
            f'contract_digest: "{digest[:64]}" is not the learner\'s "{expected}"; action spec, observation shape, '
            "number of actions and conditional must be the same on both sides",
        )


def check_header(header: TrajectoryHeader, contract: TrajectoryContract, own: Version) -> None:
    """Refuse a header that is wrong by itself, except for its tensors; ``own`` is the learner's newest version."""
    check_digest(header.contract_digest, contract.digest)
    oldest, newest = header.oldest_version, header.newest_version
    for name, version in (("oldest_version", oldest), ("newest_version", newest)):
        if version.generation != own.generation:
            raise RefusedError(
                REASON_GENERATION,
                f"{name}: weights of generation {version.generation}; this learner's generation is {own.generation}",
            )
    if header.sequence == 0:
        raise RefusedError(REASON_MALFORMED, "sequence: 0; expected 1 or more")
    if newest.number < oldest.number:
        raise RefusedError(
            REASON_MALFORMED,
            f"newest_version: number {newest.number} is below that of oldest_version, {oldest.number}",
        )
    if newest.number > own.number:  # from another run, whose learner was at this address before
        raise RefusedError(
            REASON_GENERATION,
            f"newest_version: number {newest.number} is above {own.number}, the newest that this learner has",
        )
    if not (math.isfinite(header.duration_s) and header.duration_s >= 0):
        raise RefusedError(REASON_VALUE, f"duration_s: {header.duration_s}; expected 0 or more seconds")


def view(
    header: TrajectoryHeader, frames: Sequence[memoryview], contract: TrajectoryContract, batch: int
) -> Trajectory:
    """View the frames that follow ``header`` as arrays, without a copy; the arrays keep the frames alive.

    Refuses tensors that differ from the contract in names, order, types, shapes or sizes in bytes. ZeroMQ does not
    align frames: an array may start at any byte, which NumPy reads correctly.
    """
    expected = contract.tensors(batch)
    names = [spec.name for spec in header.tensors]
    if names != list(expected):
        raise RefusedError(REASON_TENSORS, f"tensors: {', '.join(names) or 'none'}; expected {', '.join(expected)}")
    if len(frames) != len(expected):
        raise RefusedError(
            REASON_TENSORS, f"frames: {len(frames)} follow the header; it describes {len(expected)} tensors"
        )
    try:
        return Trajectory(
            **{  # type: ignore[arg-type]  # names and types are the contract's
                spec.name: tensors.view(spec, frame, dtype, shape)
                for spec, frame, (dtype, shape) in zip(header.tensors, frames, expected.values(), strict=True)
            }
        )
    except tensors.TensorError as error:
        raise RefusedError(_REASONS[error.problem], str(error)) from error


def check_values(trajectory: Trajectory, contract: TrajectoryContract) -> None:
    """Refuse actions that the engine doesn't have, and log-probabilities that are not finite or are positive."""
    for name, actions in (("actions", trajectory.actions), ("earlier", trajectory.earlier)):
        # Read as unsigned, negative numbers are large, so one comparison checks both ends.
        if actions is not None and (actions.view(np.uint32) >= np.array(contract.spec.sizes, dtype=np.uint32)).any():
            try:
                contract.spec.validate(actions, "the run's")
            except ValueError as error:
                raise RefusedError(REASON_VALUE, f"{name}: {error}") from error
    log_prob = trajectory.behaviour_log_prob
    # NaN fails every comparison, so the test asks for valid values, not for invalid ones.
    right = (log_prob > -np.inf) & (log_prob <= LOG_PROB_TOLERANCE)
    if not right.all():
        raise RefusedError(
            REASON_VALUE,
            f"behaviour_log_prob: {log_prob[~right].flat[0]} is not a log-probability; expected a finite number ≤ 0",
        )
    for name, numbers in (("noise", trajectory.noise), ("state", trajectory.state)):
        if numbers is not None and not np.isfinite(numbers).all():
            raise RefusedError(REASON_VALUE, f"{name}: a value is not finite")
    if (start := trajectory.first_step) is not None:
        right = (start >= 0) & (start < contract.num_actions) & (start % contract.length == 0)
        if not right.all():
            raise RefusedError(
                REASON_VALUE,
                f"first_step: {start[~right][0]} begins no unroll of {contract.length} actions in an episode of "
                f"{contract.num_actions}",
            )
