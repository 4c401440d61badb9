"""Weights, as whoever paints asks for them."""

from __future__ import annotations

import hashlib
import json
import struct
from functools import partial
from typing import Any

import grpc

from spiral.conformance.case import case, refused, require
from spiral.conformance.every.identity import UNKNOWN_FIELD
from spiral.conformance.learner.subject import LearnerTarget
from spiral.conformance.target import DEADLINE_S, until
from spiral.v1.learner_pb2 import GetWeightsRequest, GetWeightsResponse
from spiral.values.versions import Version
from spiral.wire.contract import version_from_proto, version_to_proto
from spiral.wire.rpc import MAX_CHUNK_BYTES


@case("learner", "identity")
def its_digest_is_that_of_the_run(learner: LearnerTarget) -> None:
    """Its contract digest is the hash that the protocol prescribes.

    Calls ``GetInfo``. ``contract_digest`` must be the hex SHA-256 of what ``trajectory.proto`` says, for the suite's
    action spec and the run's number of actions.
    """
    found, right = learner.info.contract_digest, learner.task.contract.digest
    require(found == right, f'contract_digest is "{found}"; expected "{right}"')


@case("learner", "semantics")
def weights_come_whole(learner: LearnerTarget) -> None:
    """Weights come whole: a header with their checksum, then chunks of at most 1 MiB.

    Calls ``GetWeights``. The first message must be a header with ``modified`` true, the others chunks of 1 byte to 1
    MiB; together they must have ``total_bytes`` bytes and the SHA-256 ``sha256``.
    """
    first, *rest = learner.weights()
    require(first.WhichOneof("response") == "header", "the first message is no header")
    require(first.header.modified, "modified is false though no version was named")
    require(all(message.WhichOneof("response") == "chunk" for message in rest), "a later message is no chunk")
    sizes = [len(message.chunk) for message in rest]
    require(
        rest and min(sizes) >= 1 and max(sizes) <= MAX_CHUNK_BYTES,
        f"chunks of {sizes[:3]} … bytes; expected 1 to {MAX_CHUNK_BYTES}",
    )
    data = b"".join(message.chunk for message in rest)
    require(len(data) == first.header.total_bytes, f"{len(data)} bytes, total_bytes is {first.header.total_bytes}")
    require(hashlib.sha256(data).digest() == first.header.sha256, "sha256 is not that of the bytes")


@case("learner", "semantics")
def weights_are_a_safetensors_file(learner: LearnerTarget) -> None:
    """Weights are a safetensors file of float32 tensors.

    Calls ``GetWeights`` and reads the bytes: a little-endian uint64, so many bytes of JSON that describe every tensor
    as F32 with shape and offsets, and then exactly the bytes that the offsets cover.
    """
    data = b"".join(message.chunk for message in learner.weights()[1:])
    require(len(data) > 8, f"{len(data)} bytes are no safetensors file")
    (length,) = struct.unpack("<Q", data[:8])
    require(length <= len(data) - 8, f"a safetensors header of {length} bytes in a file of {len(data)}")
    described = json.loads(data[8 : 8 + length])
    described.pop("__metadata__", None)
    require(described, "no tensor in the weights")
    types = {tensor["dtype"] for tensor in described.values()}
    require(types == {"F32"}, f"tensors of {sorted(types)}; expected F32")
    end = max(tensor["data_offsets"][1] for tensor in described.values())
    require(end == len(data) - 8 - length, f"tensors end at byte {end} of {len(data) - 8 - length}")


@case("learner", "semantics")
def only_newer_weights_are_sent(learner: LearnerTarget) -> None:
    """Weights that the caller has are not sent again.

    Calls ``GetWeights`` with ``if_newer_than`` at the served version, at a later number, and at a later generation,
    while nothing is learned: one header with ``modified`` false must come, and nothing else. With an earlier generation
    the weights must come.
    """

    def answered(generations: int, numbers: int) -> tuple[Version, list[GetWeightsResponse]] | None:
        """To one who has a version so much later; None if a batch that was under way has moved on to a newer one."""
        version = learner.version
        later = Version(version.generation + generations, version.number + numbers)
        answers = learner.weights(GetWeightsRequest(if_newer_than=version_to_proto(later)))
        return (later, answers) if version_from_proto(answers[0].header.version) <= later else None

    with learner.held():
        for generations, numbers in ((0, 0), (0, 1), (1, 0)):
            found = until(partial(answered, generations, numbers), "weights that stand still")
            assert found is not None
            later, answers = found
            require(
                len(answers) == 1 and not answers[0].header.modified,
                f"{len(answers)} messages for a caller that has {later}; expected a header with modified false",
            )
    version = learner.version
    earlier = Version(version.generation - 1, version.number + 1)
    answers = learner.weights(GetWeightsRequest(if_newer_than=version_to_proto(earlier)))
    require(answers[0].header.modified and len(answers) > 1, f"no weights for one who has {earlier}, which is older")


@case("learner", "idempotency")
def one_version_has_the_same_bytes_for_all(learner: LearnerTarget) -> None:
    """One version has the same bytes for every caller.

    Calls ``GetWeights`` twice over two connections while nothing is learned. Both must be equal.
    """
    with learner.held(), learner.connection() as other:
        stub = type(learner.stub)(other)

        def twice() -> tuple[list[GetWeightsResponse], list[GetWeightsResponse]] | None:
            """Both; None if a batch that was under way came between them."""
            both = learner.weights(), list(stub.GetWeights(GetWeightsRequest(), timeout=DEADLINE_S))
            return both if both[0][0].header.version == both[1][0].header.version else None

        both = until(twice, "weights that stand still")
    require(both is not None and both[0] == both[1], "two callers got different bytes of one version")


@case("learner", "validation")
def another_contract_gets_no_weights(learner: LearnerTarget) -> None:
    """A caller with another contract gets no weights.

    Calls ``GetWeights`` with the ``contract_digest`` "other": it must end with FAILED_PRECONDITION that names
    ``contract_digest`` and gives the learner's digest. With the right digest, and with none, the weights must come.
    """
    right = learner.task.contract.digest
    with refused("another contract", grpc.StatusCode.FAILED_PRECONDITION, "contract_digest", right):
        learner.weights(GetWeightsRequest(contract_digest="other"))
    for digest in (right, ""):
        learner.weights(GetWeightsRequest(contract_digest=digest))


@case("learner", "compatibility")
def unknown_fields_of_get_weights_are_ignored(learner: LearnerTarget) -> None:
    """What a newer minor version adds to GetWeightsRequest is ignored.

    Calls ``GetWeights`` with an unknown field (number 1999). The weights must come.
    """
    answers = learner.weights(GetWeightsRequest.FromString(UNKNOWN_FIELD))
    require(answers[0].header.modified, "no weights for a request with an unknown field")


@case("learner", "cancellation")
def callers_that_go_away_harm_nobody(learner: LearnerTarget) -> None:
    """Callers of GetWeights that go away in the middle harm nobody.

    Begins 32 calls, reads their first message and cancels them. The weights must come whole afterwards.
    """
    for _ in range(32):
        call: Any = learner.stub.GetWeights(GetWeightsRequest(), timeout=DEADLINE_S)
        next(call)
        call.cancel()
    weights_come_whole.run(learner)
