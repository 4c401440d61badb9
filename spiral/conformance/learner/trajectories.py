"""Trajectories that are not what the run's contract says."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from spiral.conformance.case import case, require
from spiral.conformance.every.identity import UNKNOWN_FIELD
from spiral.conformance.learner.subject import LearnerTarget, accepted, refused
from spiral.conformance.peers.actor import PlayedActor, message_of
from spiral.v1.tensor_pb2 import DataType
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
from spiral.v1.version_pb2 import Version
from spiral.values.trajectories import Trajectory

Change = Callable[[TrajectoryHeader], object]


@case("learner", "validation")
def garbage_is_refused(learner: LearnerTarget) -> None:
    """Bytes that are not a message are refused, and the learner keeps running.

    Sends, on a connection that said Hello, a frame that is not protobuf, an empty frame, an ActorMessage that says
    nothing, and a first frame of more than 64 KiB. Each must be answered once, refused with REASON_MALFORMED, and a
    trajectory must be accepted afterwards.
    """
    with learner.welcomed() as actor:
        for what, frame in (
            ("no protobuf", b"\xff\xff\xff\xff"),
            ("an empty frame", b""),
            ("an unknown kind of message", UNKNOWN_FIELD),
            ("a first frame of 70,000 bytes", ActorMessage.FromString(b"\xfa\x7c\xf0\xa2\x04" + bytes(70_000))),
        ):
            data = frame if isinstance(frame, bytes) else frame.SerializeToString()
            actor.send([data])
            refused(actor.until("answer").answer, REASON_MALFORMED, what)
        accepted(actor.deliver(actor.frames(learner.task.trajectory(2))), "a trajectory after garbage")


@case("learner", "validation")
def another_digest_in_a_header_is_refused(learner: LearnerTarget) -> None:
    """A trajectory of another contract is refused.

    Sends a trajectory whose ``contract_digest`` is "other". It must be refused with REASON_DIGEST.
    """
    _refuse(learner, {"another digest": lambda h: setattr(h, "contract_digest", "other")}, REASON_DIGEST)


@case("learner", "validation")
def another_generation_is_refused(learner: LearnerTarget) -> None:
    """A trajectory painted with weights of another generation is refused.

    Sends trajectories whose oldest or newest version has the generation before or after the learner's. Each must be
    refused with REASON_GENERATION.
    """
    generation = learner.version.generation

    def of(name: str, other: int) -> Change:
        return lambda header: getattr(header, name).CopyFrom(Version(generation=other, number=0))

    wrong = {
        f"{name} of generation {other}": of(name, other)
        for name in ("oldest_version", "newest_version")
        for other in (generation - 1, generation + 1)
    }
    _refuse(learner, wrong, REASON_GENERATION)


@case("learner", "validation")
def weights_that_the_learner_never_had_are_refused(learner: LearnerTarget) -> None:
    """A trajectory painted with newer weights than the learner's is refused.

    Sends a trajectory whose versions have the learner's generation and a number a million above its own, as an actor
    that painted for another run does. It must be refused with REASON_GENERATION.
    """

    def newer(header: TrajectoryHeader) -> None:
        for version in (header.oldest_version, header.newest_version):
            version.number = learner.version.number + 1_000_000

    _refuse(learner, {"newer weights than the learner's": newer}, REASON_GENERATION)


@case("learner", "validation")
def a_header_that_contradicts_itself_is_refused(learner: LearnerTarget) -> None:
    """A header that contradicts itself is refused.

    Sends a trajectory with the sequence 0, and one whose newest version is older than its oldest. Each must be refused
    with REASON_MALFORMED.
    """

    def turned(header: TrajectoryHeader) -> None:
        header.oldest_version.number = header.newest_version.number + 1

    wrong: dict[str, Change] = {"sequence 0": lambda h: setattr(h, "sequence", 0), "newest before oldest": turned}
    _refuse(learner, wrong, REASON_MALFORMED)


@case("learner", "validation")
def tensors_are_those_of_the_contract(learner: LearnerTarget) -> None:
    """Tensors that are missing, superfluous, renamed or in another order are refused.

    Sends trajectories without the last tensor (in the header and the frames, in the frames alone), with one more (in
    both, in the frames alone), with a renamed one, and with two that changed places. Each must be refused with
    REASON_TENSORS.
    """
    trajectory = learner.task.trajectory(3)
    with learner.welcomed() as actor:
        for what in ("missing", "missing frame", "superfluous", "superfluous frame", "renamed", "turned round"):
            header = actor.header(trajectory)
            first, *rest = message_of(header, trajectory)
            if what in {"missing", "missing frame"}:
                rest = rest[:-1]
            if what in {"superfluous", "superfluous frame"}:
                rest = [*rest, rest[-1]]
            if what == "missing":
                del header.tensors[-1]
            elif what == "superfluous":
                header.tensors.add().CopyFrom(header.tensors[-1])
                header.tensors[-1].name = "more"
            elif what == "renamed":
                header.tensors[0].name = "pictures"
            elif what == "turned round":
                one, other = header.tensors[0].__class__(), header.tensors[0].__class__()
                one.CopyFrom(header.tensors[0])
                other.CopyFrom(header.tensors[1])
                header.tensors[0].CopyFrom(other)
                header.tensors[1].CopyFrom(one)
                rest[0], rest[1] = rest[1], rest[0]
            first = ActorMessage(trajectory=header).SerializeToString()
            refused(actor.deliver([first, *rest]), REASON_TENSORS, f"tensors: {what}")


@case("learner", "validation")
def another_type_is_refused(learner: LearnerTarget) -> None:
    """A tensor of another type than the contract's is refused.

    Sends each tensor with each other ``dtype``, DATA_TYPE_UNSPECIFIED among them. Each must be refused with
    REASON_DTYPE.
    """
    trajectory = learner.task.trajectory(4)
    with learner.welcomed() as actor:
        for index, name in enumerate(trajectory.tensors()):
            for dtype in DataType.values():
                header = actor.header(trajectory)
                if header.tensors[index].dtype == dtype:
                    continue
                header.tensors[index].dtype = dtype
                what = f"{name} of {DataType.Name(dtype)}"
                refused(actor.deliver(message_of(header, trajectory)), REASON_DTYPE, what)


@case("learner", "validation")
def another_shape_is_refused(learner: LearnerTarget) -> None:
    """A tensor of another shape than the contract's is refused.

    Sends each tensor with one element less along its first axis, with an axis more, and with a negative axis; the
    number of bytes fits the shape. Each must be refused with REASON_SHAPE.
    """
    trajectory = learner.task.trajectory(5)
    with learner.welcomed() as actor:
        for index, (name, array) in enumerate(trajectory.tensors().items()):
            shapes: Sequence[Sequence[int]] = (
                (array.shape[0] - 1, *array.shape[1:]),
                (1, *array.shape),
                (-array.shape[0], *array.shape[1:]),
            )
            for shape in shapes:
                header = actor.header(trajectory)
                del header.tensors[index].shape[:]
                header.tensors[index].shape.extend(shape)
                frames = message_of(header, trajectory)
                size = max(0, int(np.prod(shape))) * array.itemsize
                frames[index + 1] = bytes(frames[index + 1])[:size]
                refused(actor.deliver(frames), REASON_SHAPE, f"{name} of shape {list(shape)}")


@case("learner", "validation")
def another_size_is_refused(learner: LearnerTarget) -> None:
    """A frame of another size than its tensor is refused, and so is a message above the limit.

    Sends each tensor's frame without its last byte, with one more, and empty; then a message of more than
    ``max_message_bytes``. Each must be refused with REASON_SIZE.
    """
    trajectory = learner.task.trajectory(6)
    with learner.actor() as actor:
        limit = actor.welcomed().max_message_bytes
        for index, name in enumerate(trajectory.tensors(), start=1):
            for what in ("a byte less", "a byte more", "nothing"):
                frames = actor.frames(trajectory)
                frame = bytes(frames[index])
                frames[index] = {"a byte less": frame[:-1], "a byte more": frame + b"x", "nothing": b""}[what]
                refused(actor.deliver(frames), REASON_SIZE, f"{name} with {what}")
        frames = actor.frames(trajectory)
        frames[-1] = bytes(limit)
        refused(actor.deliver(frames), REASON_SIZE, "a message above max_message_bytes")


@case("learner", "validation")
def values_out_of_range_are_refused(learner: LearnerTarget) -> None:
    """Values that no actor can have are refused.

    Sends trajectories with an action of −1, and of its component's size, for each component; with a log-probability of
    NaN, −∞, +∞ and 0.5; and, if there is noise, with noise of NaN. Each must be refused with REASON_VALUE.
    """
    trajectory, spec = learner.task.trajectory(7), learner.task.contract.spec
    wrong: dict[str, Trajectory] = {}
    for index, component in enumerate(spec.components):
        for value in (-1, component.size):
            changed = _with(trajectory, "actions", (-1, -1, index), value)
            wrong[f"{component.name} = {value}"] = changed
    for log_prob in (np.nan, -np.inf, np.inf, 0.5):
        wrong[f"log-probability {log_prob}"] = _with(trajectory, "behaviour_log_prob", (-1, -1), log_prob)
    if trajectory.noise is not None:
        wrong["noise NaN"] = _with(trajectory, "noise", (-1, -1), np.nan)
    with learner.welcomed() as actor:
        for what, changed in wrong.items():
            refused(actor.deliver(actor.frames(changed)), REASON_VALUE, what)


@case("learner", "compatibility")
def unknown_fields_of_a_header_are_ignored(learner: LearnerTarget) -> None:
    """What a newer minor version adds to a trajectory's header is ignored.

    Sends a trajectory with an unknown field (number 1999) in the message, the header and a tensor's spec. It must be
    accepted.
    """
    trajectory = learner.task.trajectory(8)
    with learner.welcomed() as actor:
        header = actor.header(trajectory)
        header.tensors[0].MergeFromString(UNKNOWN_FIELD)
        header.MergeFromString(UNKNOWN_FIELD)
        frames = message_of(header, trajectory)
        frames[0] = bytes(frames[0]) + UNKNOWN_FIELD
        accepted(actor.deliver(frames), "a header with unknown fields")


def _refuse(learner: LearnerTarget, wrong: dict[str, Any], reason: Reason.ValueType) -> None:
    trajectory = learner.task.trajectory(9)
    with learner.welcomed() as actor:
        for what, change in wrong.items():
            header = actor.header(trajectory)
            change(header)
            refused(actor.deliver(message_of(header, trajectory)), reason, what)
        still_accepts(learner, actor)


def still_accepts(learner: LearnerTarget, actor: PlayedActor) -> None:
    """A valid trajectory is accepted after wrong ones."""
    accepted(actor.deliver(actor.frames(learner.task.trajectory(10))), "a right trajectory after wrong ones")
    require(actor.version.generation, "an answer without a version")


def _with(trajectory: Trajectory, name: str, at: tuple[int, ...], value: float) -> Trajectory:
    array = trajectory.tensors()[name].copy()
    array[at] = value
    return dataclasses.replace(trajectory, **{name: array})
