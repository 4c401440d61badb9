"""What may stand in the header of a batch, and what may follow it."""

from __future__ import annotations

from collections.abc import Sequence

from grpc import StatusCode

from spiral.conformance.case import case, refused, require
from spiral.conformance.discriminator.subject import DiscriminatorTarget
from spiral.v1.discriminator_pb2 import ScoreHeader, ScoreRequest
from spiral.v1.tensor_pb2 import DataType, TensorSpec
from spiral.wire.rpc import MAX_CHUNK_BYTES

BATCH, FRAMES = 4, 3
HUGE = 1 << 50
MANY_AXES = 20_000


@case("discriminator", "validation")
def a_batch_begins_with_a_header(discriminator: DiscriminatorTarget) -> None:
    """A batch begins with one header, and only chunks follow.

    Sends nothing, an empty request, chunks without a header, and a header twice. Each must end with INVALID_ARGUMENT,
    and the details must name ``header``.
    """
    header, *chunks = discriminator.batch(discriminator.pictures(1))
    for what, requests in (
        ("nothing", []),
        ("an empty request", [ScoreRequest(), *chunks]),
        ("chunks alone", chunks),
        ("two headers", [header, header, *chunks]),
    ):
        with refused(what, StatusCode.INVALID_ARGUMENT, "header"):
            discriminator.score(requests)


@case("discriminator", "validation")
def a_batch_id_has_1_to_128_bytes(discriminator: DiscriminatorTarget) -> None:
    """A batch id that is empty or longer than 128 bytes is refused.

    Scores with an empty ``batch_id``, with 129 letters, and with 65 of two bytes each. Each must end with
    INVALID_ARGUMENT that names ``batch_id``. 128 bytes must be accepted.
    """
    for batch_id in ("", "x" * 129, "é" * 65):
        with refused(f"{len(batch_id.encode())} bytes", StatusCode.INVALID_ARGUMENT, "batch_id"):
            requests = discriminator.batch(discriminator.pictures(1))
            requests[0].header.batch_id = batch_id
            discriminator.score(requests)
    longest = discriminator.new_id().ljust(128, "x")
    discriminator.score(discriminator.batch(discriminator.pictures(1), batch_id=longest))


@case("discriminator", "validation")
def observations_are_described(discriminator: DiscriminatorTarget) -> None:
    """A header without observations is refused.

    Scores with a header whose ``observations`` are not set. It must end with INVALID_ARGUMENT that names
    ``observations``.
    """
    requests = discriminator.batch(discriminator.pictures(1))
    requests[0].header.ClearField("observations")
    with refused("no observations", StatusCode.INVALID_ARGUMENT, "observations"):
        discriminator.score(requests)


@case("discriminator", "validation")
def observations_of_another_type_are_refused(discriminator: DiscriminatorTarget) -> None:
    """Observations of another type than uint8 are refused.

    Scores observations whose ``dtype`` is unspecified, int32, int64, float32, and 99, which no version has yet. Each
    must end with INVALID_ARGUMENT that names ``observations``.
    """
    for dtype in (0, 2, 3, 4, 99):
        # Wire format: field 2, varint; the Python message takes no number that it does not know by name.
        spec = TensorSpec.FromString(bytes((0x10, dtype)))
        spec.shape.extend((FRAMES, BATCH, *discriminator.shape))
        _refuse(discriminator, f"data type {dtype}", "observations", observations=spec)


@case("discriminator", "validation")
def observations_of_another_shape_are_refused(discriminator: DiscriminatorTarget) -> None:
    """Observations of another shape than [F, B, H, W, C] are refused.

    Scores observations with an axis missing and one too many, with 0 frames, 0 episodes, a negative axis, and with
    pictures of another height, width and number of channels. Each must end with INVALID_ARGUMENT that names
    ``observations``.
    """
    height, width, channels = discriminator.shape
    shapes: Sequence[Sequence[int]] = (
        (),
        (FRAMES, BATCH, height, width),
        (1, FRAMES, BATCH, height, width, channels),
        (0, BATCH, height, width, channels),
        (FRAMES, 0, height, width, channels),
        (-FRAMES, -BATCH, height, width, channels),
        (FRAMES, BATCH, height + 1, width, channels),
        (FRAMES, BATCH, height, width * 2, channels),
        (FRAMES, BATCH, height, width, channels + 1),
    )
    for shape in shapes:
        _refuse(discriminator, f"shape {list(shape)}", "observations", observations=_uint8(shape))


@case("discriminator", "validation")
def a_long_shape_is_refused_with_a_status_that_arrives(discriminator: DiscriminatorTarget) -> None:
    """The refusal of a very long value arrives with its status.

    Sends a header whose observations have 20,000 axes. It must end with INVALID_ARGUMENT that names ``observations``. A
    client reports RESOURCE_EXHAUSTED if the details exceed its limit on headers, usually 8 KiB; so a service must
    shorten them.
    """
    _refuse(discriminator, f"{MANY_AXES} axes", "observations", observations=_uint8([1] * MANY_AXES))


@case("discriminator", "validation")
def a_batch_that_is_too_large_is_refused_at_its_header(discriminator: DiscriminatorTarget) -> None:
    """A batch that is too large is refused before its bytes are sent.

    Sends the header of a batch of 2⁵⁰ frames and no chunk. It must end with INVALID_ARGUMENT that names
    ``observations``, and a batch must be scored afterwards.
    """
    with refused(f"{HUGE} frames", StatusCode.INVALID_ARGUMENT, "observations"):
        spec = _uint8((HUGE, BATCH, *discriminator.shape))
        discriminator.score([ScoreRequest(header=ScoreHeader(batch_id=discriminator.new_id(), observations=spec))])
    discriminator.probe()


@case("discriminator", "validation")
def targets_are_there_in_a_conditional_run_alone(discriminator: DiscriminatorTarget) -> None:
    """Targets belong to conditional runs only.

    In a conditional run, scores without targets and with targets of another shape and type; in another run, scores with
    targets. Each must end with INVALID_ARGUMENT that names ``targets``.
    """
    if not discriminator.conditional:
        _refuse(discriminator, "targets", "targets", targets=_uint8((BATCH, *discriminator.shape)))
        return
    requests = discriminator.batch(discriminator.pictures(1))
    requests[0].header.ClearField("targets")
    with refused("no targets", StatusCode.INVALID_ARGUMENT, "targets"):
        discriminator.score(requests)
    _refuse(discriminator, "a target too many", "targets", targets=_uint8((BATCH + 1, *discriminator.shape)))
    floats = TensorSpec(dtype=DataType.DATA_TYPE_FLOAT32, shape=(BATCH, *discriminator.shape))
    _refuse(discriminator, "targets of float32", "targets", targets=floats)


@case("discriminator", "validation")
def bytes_that_do_not_fit_are_refused(discriminator: DiscriminatorTarget) -> None:
    """Fewer or more bytes than the header announces are refused.

    Sends a batch without its last byte, with one more, and without any. Each must end with INVALID_ARGUMENT that names
    ``chunk``.
    """
    header, *chunks = discriminator.batch(discriminator.pictures(1))
    last = chunks[-1].chunk
    for what, bodies in (
        ("a byte too few", [*chunks[:-1], ScoreRequest(chunk=last[:-1])]),
        ("a byte too many", [*chunks, ScoreRequest(chunk=b"x")]),
        ("no bytes", []),
    ):
        with refused(what, StatusCode.INVALID_ARGUMENT, "chunk"):
            discriminator.score([header, *bodies])


@case("discriminator", "validation")
def a_chunk_has_at_most_1_mib(discriminator: DiscriminatorTarget) -> None:
    """A chunk of more than 1 MiB is refused.

    Sends a batch of a little more than 1 MiB in one chunk. It must end with INVALID_ARGUMENT that names ``chunk``; cut
    into chunks of 1 MiB it must be scored.
    """
    height, width, channels = discriminator.shape
    batch = MAX_CHUNK_BYTES // (height * width * channels) + 1
    pictures = discriminator.pictures(2, frames=1, batch=batch)
    targets = discriminator.targets(batch)
    with refused("a chunk of more than 1 MiB", StatusCode.INVALID_ARGUMENT, "chunk"):
        discriminator.score(discriminator.requests(pictures, targets, chunk_bytes=2 * MAX_CHUNK_BYTES))
    discriminator.score(discriminator.requests(pictures, targets))


@case("discriminator", "validation")
def a_refused_batch_is_not_remembered(discriminator: DiscriminatorTarget) -> None:
    """A refused batch is not remembered.

    Waits until the version stands still, sends a batch to be remembered without its last byte, and waits again. The
    version must be the same.
    """
    before = discriminator.settled()
    requests = discriminator.batch(discriminator.pictures(3), remember=True)
    requests[-1] = ScoreRequest(chunk=requests[-1].chunk[:-1])
    with refused("a byte too few", StatusCode.INVALID_ARGUMENT):
        discriminator.score(requests)
    after = discriminator.settled()
    require(after == before, f"the version went from {before} to {after} by a batch that was refused")


def _uint8(shape: Sequence[int]) -> TensorSpec:
    return TensorSpec(name="x", dtype=DataType.DATA_TYPE_UINT8, shape=shape)


def _refuse(
    discriminator: DiscriminatorTarget,
    what: str,
    name: str,
    *,
    observations: TensorSpec | None = None,
    targets: TensorSpec | None = None,
) -> None:
    requests = discriminator.batch(discriminator.pictures(1, FRAMES, BATCH))
    if observations is not None:
        requests[0].header.observations.CopyFrom(observations)
    if targets is not None:
        requests[0].header.targets.CopyFrom(targets)
    with refused(what, StatusCode.INVALID_ARGUMENT, name):
        discriminator.score(requests)
