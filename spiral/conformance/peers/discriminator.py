"""The discriminator that the suite plays: ink is its taste."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import grpc
import numpy as np
from numpy.typing import NDArray

from spiral.conformance.peers.squares import SHAPE
from spiral.v1 import discriminator_pb2 as pb
from spiral.v1 import discriminator_pb2_grpc
from spiral.v1.tensor_pb2 import DataType
from spiral.v1.version_pb2 import Version
from spiral.wire.interceptor import StatusError
from spiral.wire.rpc import MAX_CHUNK_BYTES
from spiral.wire.tensors import encode

HOLD_S = 120.0
"""Longest time that an answer is held back."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A batch that somebody wanted scored."""

    header: pb.ScoreHeader
    data: bytes
    chunks: tuple[int, ...]
    """Sizes of the messages that carried it."""

    @property
    def ends(self) -> list[int]:
        """Which of its episodes end, as the header says it."""
        if self.header.HasField("endings"):
            return list(self.header.endings.episodes)
        return list(range(self.header.observations.shape[1]))

    def places_of(self, episode: NDArray[np.uint8]) -> list[int]:
        """Where in the batch the pictures of an episode [F, H, W, C] are."""
        shape = tuple(self.header.observations.shape)
        scored = np.frombuffer(self.data[: int(np.prod(shape))], np.uint8).reshape(shape)
        return np.flatnonzero((scored == episode[:, np.newaxis]).all(axis=(0, 2, 3, 4))).tolist()


class PlayedDiscriminator(discriminator_pb2_grpc.DiscriminatorServiceServicer):
    """Scores by ink, remembers what it was asked, and can be held, or told to fail."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.asked: list[Asked] = []
        """All calls, also those that failed."""
        self.fail_next: deque[grpc.StatusCode] = deque()
        """With these the next calls end."""
        self.sampled: list[NDArray[np.uint8]] = []
        """Targets that were handed out."""
        self.sample_tests = 0
        """Draws from the test split."""
        self._open = threading.Event()
        self._open.set()
        self._rng = np.random.default_rng(7)

    def hold(self) -> None:
        """Hold all answers back from now on."""
        self._open.clear()

    def release(self) -> None:
        """Answer again."""
        self._open.set()

    def Score(  # noqa: N802  (gRPC's name)
        self, request_iterator: Iterator[pb.ScoreRequest], context: grpc.ServicerContext
    ) -> pb.ScoreResponse:
        """The more ink, the better."""
        first = next(request_iterator)
        chunks = [request.chunk for request in request_iterator]
        with self.lock:
            self.asked.append(Asked(first.header, b"".join(chunks), tuple(map(len, chunks))))
            failure = self.fail_next.popleft() if self.fail_next else None
        if failure is not None:
            raise StatusError(failure, "as the case wants it", retry_after_ms=50)
        self._open.wait(HOLD_S)
        frames, batch = first.header.observations.shape[:2]
        size = int(np.prod(first.header.observations.shape))
        pictures = np.frombuffer(self.asked[-1].data[:size], np.uint8).reshape(frames, batch, -1)
        scores = (1.0 - pictures.mean(-1) / 255).astype(np.float32)
        statistics = pb.ScoreStatistics(mean=0.5, deviation=0.1, count=1)
        return pb.ScoreResponse(
            terms=[pb.ScoreTerm(name="ink", scores=encode(scores))],
            version=Version(generation=1, number=len(self.asked)),
            real=statistics,
            painted=statistics,
        )

    def SampleTargets(  # noqa: N802  (gRPC's name)
        self, request: pb.SampleTargetsRequest, context: grpc.ServicerContext
    ) -> pb.SampleTargetsResponse:
        """Noise."""
        if not 1 <= request.count <= 4096:
            raise ValueError(f"count: {request.count} is outside 1…4096")
        with self.lock:
            drawn = self._rng.integers(0, 256, (request.count, *SHAPE), np.uint8)
            self.sampled.append(drawn)
            self.sample_tests += request.test
        return pb.SampleTargetsResponse(targets=encode(drawn))


def mistakes_of(asked: Asked) -> list[str]:
    """What the protocol forbids in a batch."""
    found, header = [], asked.header
    if not 1 <= len(header.batch_id.encode()) <= 128:
        found.append(f"batch_id of {len(header.batch_id.encode())} bytes")
    if header.observations.dtype != DataType.DATA_TYPE_UINT8 or tuple(header.observations.shape[2:]) != SHAPE:
        found.append(f"observations of {header.observations.dtype} {list(header.observations.shape)}")
    size = int(np.prod(header.observations.shape))
    if header.HasField("targets"):
        size += int(np.prod(header.targets.shape))
    if size != len(asked.data):
        found.append(f"{len(asked.data)} bytes where the header announces {size}")
    if max(asked.chunks, default=0) > MAX_CHUNK_BYTES:
        found.append(f"a chunk of {max(asked.chunks)} bytes")
    return found
