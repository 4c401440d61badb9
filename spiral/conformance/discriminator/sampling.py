"""Targets: the capability ``sample-targets``."""

from __future__ import annotations

import math

import grpc
import numpy as np
from numpy.typing import NDArray

from spiral.conformance.case import case, refused, require
from spiral.conformance.discriminator.subject import SAMPLES, DiscriminatorTarget
from spiral.conformance.every.identity import UNKNOWN_FIELD
from spiral.conformance.target import DEADLINE_S
from spiral.v1.discriminator_pb2 import SampleTargetsRequest

MAX_COUNT = 4096
LARGEST_OVERLAP = 0.01
"""Share of a test draw that may be in a training draw too: data sets repeat a picture now and then. Where both come
from one split of 160,000 pictures, 2.5 % of 4,096 meet."""


@case("discriminator", "semantics", "extended", capability=SAMPLES)
def targets_are_as_many_as_asked_for(discriminator: DiscriminatorTarget) -> None:
    """As many targets as were asked for are drawn, in the pictures' shape.

    Asks for 1, 7 and 64 targets of each split. They must be uint8 [N, H, W, C] with the shape of the observations.
    """
    for count in (1, 7, 64):
        for test in (False, True):
            shape = discriminator.sample(count, test).shape
            right = (count, *discriminator.shape)
            require(shape == right, f"{count} targets have the shape {list(shape)}; expected {list(right)}")


@case("discriminator", "semantics", "extended", capability=SAMPLES)
def targets_vary(discriminator: DiscriminatorTarget) -> None:
    """Targets vary from draw to draw.

    Draws 32 targets twice. The two draws may not be equal, nor may all targets of one.
    """
    first, second = discriminator.sample(32), discriminator.sample(32)
    require(not np.array_equal(first, second), "two draws of 32 targets are equal")
    require(len(_distinct(first)) > 1, "32 targets are all equal")


@case("discriminator", "semantics", "extended", capability=SAMPLES)
def targets_come_from_the_declared_split(discriminator: DiscriminatorTarget) -> None:
    """Targets come from the split that was asked for.

    Draws up to 4,096 targets with ``test`` false and as many with ``test`` true. At most 1 in 100 of the test pictures
    may be among the training pictures.
    """
    count = min(MAX_COUNT, (discriminator.info.max_message_bytes - 1024) // math.prod(discriminator.shape))
    train, test = (_distinct(discriminator.sample(count, split)) for split in (False, True))
    common = len(train & test) / len(test)
    require(common <= LARGEST_OVERLAP, f"{common:.1%} of the drawn test pictures are training pictures too")


@case("discriminator", "validation", "extended", capability=SAMPLES)
def a_count_out_of_range_is_refused(discriminator: DiscriminatorTarget) -> None:
    """Asking for no target, or for more than 4,096, is refused.

    Asks for 0, 4,097 and 2³² − 1 targets. Each must end with INVALID_ARGUMENT that names ``count``.
    """
    for count in (0, MAX_COUNT + 1, (1 << 32) - 1):
        with refused(f"count {count}", grpc.StatusCode.INVALID_ARGUMENT, "count"):
            discriminator.stub.SampleTargets(SampleTargetsRequest(count=count), timeout=DEADLINE_S)


@case("discriminator", "compatibility", "extended", capability=SAMPLES)
def unknown_fields_of_a_draw_are_ignored(discriminator: DiscriminatorTarget) -> None:
    """What a newer minor version adds to SampleTargetsRequest is ignored.

    Asks for 2 targets with an unknown field (number 1999). Two must come.
    """
    request = SampleTargetsRequest.FromString(SampleTargetsRequest(count=2).SerializeToString() + UNKNOWN_FIELD)
    answer = discriminator.stub.SampleTargets(request, timeout=DEADLINE_S)
    require(answer.targets.shape[:1] == [2], f"{list(answer.targets.shape)} for 2 targets")


@case("discriminator", "identity")
def what_is_not_claimed_is_not_implemented(discriminator: DiscriminatorTarget) -> None:
    """SampleTargets is UNIMPLEMENTED unless the capability ``sample-targets`` is claimed.

    Asks for a target. With the capability it must come; without, the call must end with UNIMPLEMENTED.
    """
    if SAMPLES in discriminator.info.capabilities:
        discriminator.sample(1)
        return
    with refused("a target", grpc.StatusCode.UNIMPLEMENTED):
        discriminator.stub.SampleTargets(SampleTargetsRequest(count=1), timeout=DEADLINE_S)


def _distinct(pictures: NDArray[np.uint8]) -> set[bytes]:
    return {picture.tobytes() for picture in pictures}
