"""Rewards for painting: how much closer it comes to a target, or how much a discriminator's score rises."""

from __future__ import annotations

import copy
import math
import uuid
from typing import Protocol, Self, runtime_checkable

import grpc
import numpy as np
from numpy.typing import NDArray

from spiral.engines import Canvases
from spiral.v1.discriminator_pb2_grpc import DiscriminatorServiceStub
from spiral.wire.addresses import check_address
from spiral.wire.error_reasons import reason
from spiral.wire.rpc import connect
from spiral.wire.scores import read_terms, score_requests
from spiral.wire.tls import Identity

DEADLINE_S = 60.0
"""Deadline of one Score call, including a restart of the service."""
REFUSED = (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.FAILED_PRECONDITION)
"""This discriminator does not take these pictures."""


class Reward(Protocol):
    """Computes step by step what ``B`` episodes have gained."""

    def begin(self, blank: NDArray[np.uint8], targets: NDArray[np.uint8] | None) -> None:
        """Start episodes from blank observations ``[B, H, W, C]``, with a target each or without."""
        ...

    def gain(self, frames: NDArray[np.uint8], last: bool) -> NDArray[np.float64]:
        """The reward ``[B]`` of the step that led to ``frames`` ``[B, H, W, C]``; ``last``: it ends the episodes."""
        ...

    def twin(self, canvases: Canvases) -> Self:
        """A copy for ``canvases``, which show the same as its own."""
        ...

    def close(self) -> None:
        """Release its resources."""
        ...


@runtime_checkable
class Measuring(Protocol):
    """Canvases that measure distances themselves, without a copy of their observations."""

    def squared_distances(self, targets: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Sum of (observation − target)² over all pixels of each canvas: ``[B, H, W, C]`` → ``[B]``."""
        ...


class Distance:
    """The decrease of ‖x − target‖₂ / √(HWC), pixels from 0 to 1: at most 1 in all (docs/method.md, 2)."""

    def __init__(self, canvases: Canvases, shape: tuple[int, int, int, int]) -> None:
        """The observations of ``canvases`` have the shape ``[B, H, W, C]``."""
        self._canvases = canvases
        self._white = 255 * math.sqrt(math.prod(shape[1:]))
        self._targets = np.zeros(shape, np.uint8)
        self._distance = np.zeros(shape[0])

    def begin(self, blank: NDArray[np.uint8], targets: NDArray[np.uint8] | None) -> None:
        """See :class:`Reward`; a target is required."""
        assert targets is not None
        self._targets = targets
        self.gain(blank, last=False)

    def gain(self, frames: NDArray[np.uint8], last: bool) -> NDArray[np.float64]:
        """See :class:`Reward`."""
        before = self._distance
        if isinstance(self._canvases, Measuring):
            squares = self._canvases.squared_distances(self._targets)
        else:
            squares = np.square(frames.astype(np.int32) - self._targets).sum((1, 2, 3), dtype=np.int64)
        self._distance = np.sqrt(squares) / self._white
        return before - self._distance

    def twin(self, canvases: Canvases) -> Self:
        """See :class:`Reward`."""
        twin = copy.copy(self)  # targets and distances are replaced, never written into
        twin._canvases = canvases
        return twin

    def close(self) -> None:
        """There is nothing to release."""


class Scored:
    """The increase of a discriminator's own score, the first of its terms; it remembers the final pictures.

    The pictures before and after a step go into one call, so that one version of the weights has made both scores.
    """

    def __init__(self, address: str, identity: Identity | None, shape: tuple[int, int, int, int]) -> None:
        """ValueError if ``address`` is not valid; no call is made yet."""
        self._address, self._identity = check_address(address, "discriminator"), identity
        self._connect()
        self._pair = np.empty((2, *shape), np.uint8)
        self._targets: NDArray[np.uint8] | None = None

    def begin(self, blank: NDArray[np.uint8], targets: NDArray[np.uint8] | None) -> None:
        """See :class:`Reward`."""
        self._targets, self._pair[1] = targets, blank

    def gain(self, frames: NDArray[np.uint8], last: bool) -> NDArray[np.float64]:
        """See :class:`Reward`. ValueError if the service refuses the pictures, ConnectionError if no answer comes."""
        self._pair[0], self._pair[1] = self._pair[1], frames
        self._asked += 1
        requests = score_requests(f"{self._id}.{self._asked}", self._pair, self._targets, remember=last)
        try:
            answer = self._stub.Score(requests, timeout=DEADLINE_S, wait_for_ready=True)
        except grpc.RpcError as error:
            if error.code() in REFUSED:
                raise ValueError(f"discriminator: it refuses the pictures: {error.details()}") from error
            raise ConnectionError(f"discriminator: no answer from {self._address}: {reason(error)}") from error
        before, after = next(iter(read_terms(answer, self._pair.shape[:2]).values())).astype(np.float64)
        gained: NDArray[np.float64] = after - before
        return gained

    def twin(self, canvases: Canvases) -> Self:
        """See :class:`Reward`; the copy has its own connection."""
        twin = copy.copy(self)
        twin._pair = self._pair.copy()
        twin._connect()
        return twin

    def _connect(self) -> None:
        self._channel = connect(self._address, self._identity)
        self._stub = DiscriminatorServiceStub(self._channel)
        # Ids must be unique at the service, which may score other canvases, too.
        self._id, self._asked = uuid.uuid4().hex, 0

    def close(self) -> None:
        """End the connection."""
        self._channel.close()
