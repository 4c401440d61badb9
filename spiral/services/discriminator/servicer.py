"""Answers the calls of DiscriminatorService."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future
from contextlib import closing
from functools import partial
from typing import Any, TypeVar

import grpc
import numpy as np
from numpy.typing import NDArray

from spiral.computing.divergence import DivergedError
from spiral.services.discriminator.judge import Judge, Scores, check_batch
from spiral.services.discriminator.metrics import DiscriminatorMetrics
from spiral.services.discriminator.statistics import Statistics
from spiral.services.discriminator.worker import BusyError, ClosedError, Worker
from spiral.v1 import discriminator_pb2, discriminator_pb2_grpc
from spiral.v1.tensor_pb2 import DataType, TensorSpec
from spiral.wire.contract import version_to_proto
from spiral.wire.idle_timeout import within
from spiral.wire.interceptor import StatusError
from spiral.wire.rpc import MAX_CHUNK_BYTES
from spiral.wire.tensors import encode

T = TypeVar("T")

LONGEST_WAIT_S = 600.0
"""Limit for a caller without a deadline: nothing waits forever."""
RETRY_AFTER_MS = 500
"""Wait that a refused caller is advised to make: the time of a few batches."""


class Discriminator(discriminator_pb2_grpc.DiscriminatorServiceServicer):
    """Collects batches from streams, each in its call's thread, and hands them to the worker that owns the judge."""

    def __init__(
        self,
        worker: Worker,
        metrics: DiscriminatorMetrics,
        observation_shape: tuple[int, int, int],
        conditional: bool,
        *,
        max_batch_bytes: int,
        idle_s: float,
        draining: Callable[[], bool],
    ) -> None:
        """Once ``draining()`` is true, new calls are refused; those in progress get their answer.

        If a caller is silent for ``idle_s`` seconds while it sends a batch, its call is ended.
        """
        self._worker, self._metrics = worker, metrics
        self._observation_shape, self._conditional = observation_shape, conditional
        self._max_batch_bytes, self._idle_s = max_batch_bytes, idle_s
        self._draining = draining

    def Score(  # noqa: N802  (gRPC's name)
        self, request_iterator: Iterator[discriminator_pb2.ScoreRequest], context: grpc.ServicerContext
    ) -> discriminator_pb2.ScoreResponse:
        """Score the batch that the header describes and the chunks contain."""
        self._refuse_while_draining()
        with closing(within(request_iterator, self._idle_s, context, self._metrics.silent)) as requests:
            first = next(requests, None)
            if first is None or not first.HasField("header"):
                raise ValueError("request: the first message is not a header; expected a header and then chunks")
            header = first.header
            observations, targets = self._allocate(header)
            _fill([array for array in (observations, targets) if array is not None], requests)

        ends = _ends(header, observations.shape[1])
        ending = observations.shape[1] if ends is None else int(ends.sum())

        def score(judge: Judge) -> Scores:
            start = time.perf_counter()
            scores = judge.score(header.batch_id, observations, targets, header.remember, ends)
            self._metrics.scored(scores, time.perf_counter() - start, ending if header.remember else 0)
            return scores

        return _response(self._ask(score, context))

    def SampleTargets(  # noqa: N802  (gRPC's name)
        self, request: discriminator_pb2.SampleTargetsRequest, context: grpc.ServicerContext
    ) -> discriminator_pb2.SampleTargetsResponse:
        """Draw targets."""
        self._refuse_while_draining()
        targets = self._ask(lambda judge: judge.sample_targets(request.count, request.test), context)
        return discriminator_pb2.SampleTargetsResponse(targets=encode(targets))

    def _allocate(self, header: discriminator_pb2.ScoreHeader) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
        """Memory for the pictures, allocated after the header was checked and before any byte is read."""
        if not header.HasField("observations"):
            raise ValueError("observations: missing; expected uint8 [F, B, H, W, C]")
        named = [("observations", header.observations, 5)]
        if header.HasField("targets"):
            named.append(("targets", header.targets, 4))
        shapes = [_shape(spec, name, axes) for name, spec, axes in named]
        size = sum(map(math.prod, shapes))
        if size > self._max_batch_bytes:
            raise ValueError(
                f"observations: the batch has {size} bytes, at most {self._max_batch_bytes} are accepted; "
                "send fewer episodes, or start the discriminator with a larger --max-batch-bytes"
            )
        arrays = [np.empty(shape, np.uint8) for shape in shapes]
        observations, targets = arrays[0], arrays[1] if len(arrays) > 1 else None
        check_batch(header.batch_id, observations, targets, self._observation_shape, self._conditional)
        return observations, targets

    def _ask(self, job: Callable[[Judge], T], context: grpc.ServicerContext) -> T:
        """Let the worker run a job and wait for it as long as the caller does."""
        try:
            future: Future[T] = self._worker.submit(job)
        except BusyError as error:
            raise StatusError(grpc.StatusCode.RESOURCE_EXHAUSTED, f"{error}; ask again later", RETRY_AFTER_MS) from None
        except ClosedError as error:
            raise StatusError(grpc.StatusCode.UNAVAILABLE, str(error)) from None
        # Nobody waits for the answer of a cancelled call; a job that has begun is finished all the same.
        context.add_callback(partial(_cancel, future))
        remaining_s = context.time_remaining()
        try:
            return future.result(LONGEST_WAIT_S if remaining_s is None else min(remaining_s, LONGEST_WAIT_S))
        except CancelledError:
            raise StatusError(grpc.StatusCode.UNAVAILABLE, "the judge has failed; ask again later") from None
        except DivergedError as error:
            raise StatusError(grpc.StatusCode.UNAVAILABLE, str(error)) from None
        except TimeoutError:
            future.cancel()
            raise StatusError(
                grpc.StatusCode.DEADLINE_EXCEEDED, "the judge was busy until the deadline; ask again with the same id"
            ) from None

    def _refuse_while_draining(self) -> None:
        if self._draining():
            raise StatusError(grpc.StatusCode.UNAVAILABLE, "this discriminator is going down; ask again later")


def _ends(header: discriminator_pb2.ScoreHeader, batch: int) -> NDArray[np.bool_] | None:
    """Which episodes end, bool [B]; None: all of them."""
    if not header.HasField("endings"):
        return None
    episodes = list(header.endings.episodes)
    if episodes != sorted(set(episodes)) or (episodes and episodes[-1] >= batch):
        raise ValueError(f"endings: {episodes[:20]}; expected rising positions below {batch}, the number of episodes")
    ends = np.zeros(batch, np.bool_)
    ends[episodes] = True
    return ends


def _cancel(future: Future[Any]) -> None:
    future.cancel()


def _shape(spec: TensorSpec, name: str, axes: int) -> tuple[int, ...]:
    """The shape of a batch's part; shapes that could not even be allocated are refused."""
    if spec.dtype != DataType.DATA_TYPE_UINT8:
        raise ValueError(f"{name}: data type {spec.dtype} can't be judged; expected {DataType.DATA_TYPE_UINT8} (uint8)")
    if len(spec.shape) != axes or min(spec.shape) < 1:
        raise ValueError(f"{name}: shape is {list(spec.shape)}; expected {axes} axes, each at least 1 long")
    return tuple(spec.shape)


def _fill(arrays: list[NDArray[np.uint8]], requests: Iterator[discriminator_pb2.ScoreRequest]) -> None:
    """Copy the chunks into the arrays, one after the other. ValueError if the bytes don't fit exactly."""
    rooms = [array.reshape(-1) for array in arrays]
    expected, received = sum(len(room) for room in rooms), 0
    for request in requests:
        if not request.HasField("chunk"):
            raise ValueError("request: a later message is not a chunk; expected one header and then chunks")
        chunk = np.frombuffer(request.chunk, np.uint8)
        received += len(chunk)
        if len(chunk) > MAX_CHUNK_BYTES:
            raise ValueError(f"chunk: {len(chunk)} bytes; expected at most {MAX_CHUNK_BYTES} in a message")
        if received > expected:
            raise ValueError(f"chunk: at least {received} bytes arrived, the header announces {expected}")
        while len(chunk):
            while not len(rooms[0]):
                rooms.pop(0)
            taken = min(len(chunk), len(rooms[0]))
            rooms[0][:taken], rooms[0], chunk = chunk[:taken], rooms[0][taken:], chunk[taken:]
    if received < expected:
        raise ValueError(f"chunk: the stream ended after {received} bytes, the header announces {expected}")


def _response(scores: Scores) -> discriminator_pb2.ScoreResponse:
    return discriminator_pb2.ScoreResponse(
        terms=[discriminator_pb2.ScoreTerm(name=name, scores=encode(values)) for name, values in scores.terms.items()],
        version=version_to_proto(scores.version),
        real=_statistics(scores.real),
        painted=_statistics(scores.painted),
    )


def _statistics(statistics: Statistics) -> discriminator_pb2.ScoreStatistics:
    return discriminator_pb2.ScoreStatistics(
        mean=statistics.mean, deviation=statistics.deviation, count=statistics.count
    )
