"""A discriminator under test, and how to ask it."""

from __future__ import annotations

import itertools
import secrets
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import grpc
import numpy as np
from numpy.typing import NDArray

from spiral.conformance.case import Failure, Skip, require
from spiral.conformance.target import DEADLINE_S, Target
from spiral.v1 import discriminator_pb2 as pb
from spiral.v1.discriminator_pb2_grpc import DiscriminatorServiceStub
from spiral.values.versions import Version
from spiral.wire.contract import version_from_proto
from spiral.wire.rpc import MAX_CHUNK_BYTES
from spiral.wire.tensors import decode, spec_of

SAMPLES = "sample-targets"
REMEMBERED = "spiral_discriminator_remembered_total"
STILL_S = 0.3
"""A version that has not moved for so long is taken for settled: updates follow each other without a pause."""


@dataclass(slots=True)
class DiscriminatorTarget(Target):
    """A discriminator at an address."""

    observation_shape: tuple[int, int, int] | None = None
    """(H, W, C) of the pictures that it judges; None: what SampleTargets shows."""
    _conditional: bool | None = None
    _session: str = field(default_factory=lambda: secrets.token_hex(4))
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    @property
    def stub(self) -> DiscriminatorServiceStub:
        """A stub for calls over the shared channel."""
        return DiscriminatorServiceStub(self.channel)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(H, W, C) of the pictures; Skip where nobody says so."""
        if self.observation_shape is None:
            if SAMPLES not in self.info.capabilities:
                raise Skip(
                    f"nobody says how large the pictures are: it has no {SAMPLES}, and --observation-shape is empty"
                )
            height, width, channels = self.sample(1).shape[1:]
            self.observation_shape = height, width, channels
        return self.observation_shape

    @property
    def conditional(self) -> bool:
        """Whether a batch needs targets: found by asking without."""
        if self._conditional is None:
            try:
                self.score(self.requests(self.pictures(0), targets=None))
                self._conditional = False
            except grpc.RpcError as error:
                if error.code() != grpc.StatusCode.INVALID_ARGUMENT or "targets" not in (error.details() or ""):
                    raise
                self._conditional = True
        return self._conditional

    def new_id(self) -> str:
        """A batch id that no run of the suite has used."""
        return f"conformance-{self._session}-{next(self._numbers)}"

    def pictures(self, seed: int, frames: int = 3, batch: int = 4) -> NDArray[np.uint8]:
        """Noise, [F, B, H, W, C]."""
        return np.random.default_rng(seed).integers(0, 256, (frames, batch, *self.shape), np.uint8)

    def targets(self, batch: int = 4, seed: int = 0) -> NDArray[np.uint8] | None:
        """Targets [B, H, W, C] of a conditional run, else None."""
        return self.pictures(1000 + seed, 1, batch)[0] if self.conditional else None

    def batch(
        self, observations: NDArray[np.uint8], *, batch_id: str = "", remember: bool = False
    ) -> list[pb.ScoreRequest]:
        """A valid batch, with targets where the run has any."""
        targets = self.targets(observations.shape[1])
        return self.requests(observations, targets, batch_id=batch_id, remember=remember)

    def requests(
        self,
        observations: NDArray[np.uint8],
        targets: NDArray[np.uint8] | None,
        *,
        batch_id: str = "",
        remember: bool = False,
        chunk_bytes: int = MAX_CHUNK_BYTES,
    ) -> list[pb.ScoreRequest]:
        """Header and chunks of a batch; an id of its own unless given."""
        header = pb.ScoreHeader(
            batch_id=batch_id or self.new_id(), observations=spec_of("observations", observations), remember=remember
        )
        data = observations.tobytes()
        if targets is not None:
            header.targets.CopyFrom(spec_of("targets", targets))
            data += targets.tobytes()
        chunks = (data[start : start + chunk_bytes] for start in range(0, len(data), chunk_bytes))
        return [pb.ScoreRequest(header=header), *(pb.ScoreRequest(chunk=chunk) for chunk in chunks)]

    def score(self, requests: Iterable[pb.ScoreRequest], channel: grpc.Channel | None = None) -> pb.ScoreResponse:
        """The answer to a batch."""
        stub = DiscriminatorServiceStub(channel or self.channel)
        return stub.Score(iter(requests), timeout=DEADLINE_S, wait_for_ready=True)

    def probe(self, seed: int = 0) -> pb.ScoreResponse:
        """The answer to a batch that is not remembered."""
        return self.score(self.batch(self.pictures(seed)))

    def told(self) -> Version:
        """The version by GetInfo, or where that says none by the answer to a batch that is not remembered."""
        info = self.info
        return version_from_proto(info.version) if info.HasField("version") else version_of(self.probe())

    def settled(self) -> Version:
        """The version once all updates that were earned have been made."""
        end, version, since = time.monotonic() + DEADLINE_S, self.told(), time.monotonic()
        while time.monotonic() - since < STILL_S:
            time.sleep(STILL_S / 3)
            if (now := self.told()) != version:
                version, since = now, time.monotonic()
            require(time.monotonic() < end, f"the version still moves {DEADLINE_S:g} s after the last batch")
        return version

    def sample(self, count: int, test: bool = False) -> NDArray[np.uint8]:
        """Targets, uint8 [N, H, W, C]; Failure where they are something else."""
        answer = self.stub.SampleTargets(pb.SampleTargetsRequest(count=count, test=test), timeout=DEADLINE_S)
        try:
            return decode(answer.targets, "targets", np.uint8, (count, None, None, None))
        except ValueError as error:
            raise Failure(str(error)) from error


def version_of(answer: pb.ScoreResponse) -> Version:
    """The version that made the scores."""
    return version_from_proto(answer.version)


def scores_of(answer: pb.ScoreResponse, frames: int, batch: int) -> NDArray[np.float32]:
    """The service's own term, [F, B]; Failure where there is none of this shape."""
    require(answer.terms, "no score term; expected at least one")
    try:
        return decode(answer.terms[0].scores, "scores", np.float32, (frames, batch))
    except ValueError as error:
        raise Failure(str(error)) from error


def close(found: NDArray[np.float32], right: NDArray[np.float32]) -> bool:
    """Whether two scores are the same but for the order in which a machine adds up."""
    return bool(np.allclose(found, right, rtol=1e-4, atol=1e-5))
