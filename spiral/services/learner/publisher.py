"""Serves the newest weights to the actors."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import grpc

from spiral.v1 import learner_pb2_grpc
from spiral.v1.learner_pb2 import GetWeightsRequest, GetWeightsResponse, WeightsHeader
from spiral.values.versions import Version
from spiral.wire.contract import version_from_proto, version_to_proto
from spiral.wire.interceptor import StatusError
from spiral.wire.rpc import MAX_CHUNK_BYTES


@dataclass(frozen=True, slots=True)
class Weights:
    """One version of the weights, encoded for the wire."""

    version: Version
    data: bytes


class WeightsPublisher:
    """Holds the newest weights for the servicer; the latest wins. The digest is "" until the contract is known."""

    def __init__(self, contract_digest: str) -> None:
        self.contract_digest = contract_digest
        self._lock = threading.Lock()
        self._weights: Weights | None = None
        self._encoded: tuple[Version, list[GetWeightsResponse]] | None = None

    @property
    def version(self) -> Version:
        """Version of the published weights; 0.0 before the first."""
        weights = self._weights
        return weights.version if weights is not None else Version()

    def publish(self, version: Version, data: bytes) -> None:
        """Publish ``data`` (safetensors). ValueError if ``version`` is not newer than the last."""
        if version <= self.version:
            raise ValueError(f"version: {version} is not newer than {self.version}, and versions never go back")
        self._weights = Weights(version, data)

    def responses(self) -> list[GetWeightsResponse]:
        """All messages of the newest version, encoded once however many actors ask; empty before the first version.

        They are encoded on the first request, because most versions are never requested.
        """
        with self._lock:
            weights = self._weights
            if weights is None:
                return []
            if self._encoded is None or self._encoded[0] != weights.version:
                self._encoded = weights.version, _encode(weights)
            return self._encoded[1]


class LearnerServicer(learner_pb2_grpc.LearnerServiceServicer):
    """LearnerService over a :class:`WeightsPublisher`."""

    def __init__(self, publisher: WeightsPublisher) -> None:
        self._publisher = publisher

    def GetWeights(  # noqa: N802  # gRPC's name
        self, request: GetWeightsRequest, context: grpc.ServicerContext
    ) -> Iterator[GetWeightsResponse]:
        """Answer with the newest weights, or with only a header if the caller has them."""
        expected = self._publisher.contract_digest
        if request.contract_digest and expected and request.contract_digest != expected:
            raise StatusError(
                grpc.StatusCode.FAILED_PRECONDITION,
                f'contract_digest: "{request.contract_digest[:64]}" is not the learner\'s "{expected}"',
            )
        version = self._publisher.version
        if version == Version():
            raise StatusError(grpc.StatusCode.UNAVAILABLE, "the learner has no weights yet; ask again")
        if request.HasField("if_newer_than") and version <= version_from_proto(request.if_newer_than):
            yield GetWeightsResponse(header=WeightsHeader(version=version_to_proto(version), modified=False))
            return
        yield from self._publisher.responses()


def _encode(weights: Weights) -> list[GetWeightsResponse]:
    header = WeightsHeader(
        version=version_to_proto(weights.version),
        modified=True,
        total_bytes=len(weights.data),
        sha256=hashlib.sha256(weights.data).digest(),
    )
    chunks = (weights.data[start : start + MAX_CHUNK_BYTES] for start in range(0, len(weights.data), MAX_CHUNK_BYTES))
    return [GetWeightsResponse(header=header), *(GetWeightsResponse(chunk=chunk) for chunk in chunks)]
