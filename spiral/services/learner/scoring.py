"""Gets scores from the discriminator, one batch ahead of learning."""

from __future__ import annotations

import logging
import queue
import threading
import time
from typing import Self

import grpc

from spiral.services.learner.ingest_thread import Arrived, Ingest
from spiral.services.learner.lag_limit import LagLimit
from spiral.services.learner.scored_batch import ScoredBatch
from spiral.services.learner.unrolls import Places, places
from spiral.serving.metrics import Metrics
from spiral.v1.discriminator_pb2 import ScoreResponse
from spiral.v1.discriminator_pb2_grpc import DiscriminatorServiceStub
from spiral.values.trajectories import Trajectory, concatenate
from spiral.values.versions import Version
from spiral.wire.edges import Service
from spiral.wire.error_reasons import reason
from spiral.wire.reconnecting import ReconnectingChannel
from spiral.wire.scores import read_terms, score_requests

DEADLINE_S = 60.0
"""Deadline of one Score call: an update and a thousand pictures take a second or two on a slow machine."""
RETRY_S = (0.2, 0.5, 1.0, 2.0)
"""Waits between attempts while the discriminator is away; the last one repeats."""
REFUSED = (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.FAILED_PRECONDITION)
"""This discriminator does not take this run's batches; a restart would not change that."""
RETRIED = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.CANCELLED,
)
"""Errors that pass by themselves; a discriminator cancels a call that was silent for too long. Any other error would
only happen again."""
POLL_S = 0.5
"""Longest time until a stop request is noticed."""

_log = logging.getLogger(__name__)


class DiscriminatorError(RuntimeError):
    """The discriminator's answer makes no sense; the message says why."""


class Scorer:
    """A thread that collects batches from the queue, gets their scores and hands them out in order.

    While the learner learns from one batch, the next is being scored. ``waiting_for`` names the peer that the thread
    waits for.
    """

    def __init__(
        self,
        ingest: Ingest,
        peer: ReconnectingChannel,
        metrics: Metrics,
        *,
        episodes: int,
        num_actions: int,
        limit: LagLimit,
        version: Version,
    ) -> None:
        self.waiting_for: Service = "actor"
        self.version = version
        """Newest weights, from which the age of trajectories is measured; the learner's loop updates it."""
        self._ingest, self._peer, self._metrics = ingest, peer, metrics
        self._episodes, self._num_actions, self._limit = episodes, num_actions, limit
        self._scored: queue.Queue[tuple[ScoredBatch, list[Arrived]]] = queue.Queue(maxsize=1)
        self._wanted = threading.Semaphore(1)
        self._stop = threading.Event()
        self._call: grpc.Future[ScoreResponse] | None = None
        self._failure: Exception | None = None
        self._batches = 0
        self._told = False
        """Whether the ingest knows that the learner had to wait for this batch."""
        self._thread = threading.Thread(target=self._run, name="scorer", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop.set()
        self._cancel()
        self._thread.join()

    def take(self, timeout_s: float) -> ScoredBatch | None:
        """The next batch, or None after ``timeout_s``. Raises the error that ended the thread:

        DiscriminatorError if the discriminator's answer makes no sense, ValueError if it refused the batch.
        """
        ready = not self._scored.empty()
        if not ready and self.waiting_for == "actor" and not self._told:
            self._told = True  # once per batch, however long it takes
            self._ingest.tell(waited=True)
        try:
            scored, arrived = self._scored.get(timeout=timeout_s)
        except queue.Empty:
            if self._failure is not None:
                raise self._failure from None
            return None
        # Only now the slots become free: actors paint the next trajectories while the learner learns from this batch.
        for one in arrived:
            one.release()
        if ready:
            self._ingest.tell(waited=False)
        self._told = False
        self._wanted.release()
        return scored

    def _run(self) -> None:
        try:
            while (arrived := self._collect()) is not None:
                batch = concatenate([one.trajectory for one in arrived])
                oldest = min(one.oldest_version.number for one in arrived)
                newest = max(one.newest_version.number for one in arrived)
                scored = self._score(batch, oldest, newest)
                if scored is not None:
                    self._scored.put((scored, arrived))  # there is room, because the learner asked for a batch
        except Exception as error:
            self._failure = error

    def _collect(self) -> list[Arrived] | None:
        """Whole messages that make a batch, after the previous batch has been taken; None when stopped.

        Not earlier: trajectories that wait here age, while those that wait at the actors are not painted yet.
        """
        while not self._wanted.acquire(timeout=POLL_S):
            if self._stop.is_set():
                return None
        collected: list[Arrived] = []
        episodes = 0
        self.waiting_for = "actor"
        while episodes < self._episodes:
            if self._stop.is_set():
                return None
            arrived = self._ingest.take(POLL_S)
            if arrived is None or self._limit.drops(arrived, self.version):
                continue
            collected.append(arrived)
            episodes += arrived.trajectory.batch
        return collected

    def _score(self, batch: Trajectory, oldest: int, newest: int) -> ScoredBatch | None:
        """Ask until there is an answer. The batch keeps its id, so nothing is remembered twice."""
        self.waiting_for = "discriminator"
        self._batches += 1
        batch_id = f"{self.version.generation}.{self._batches}"
        where = places(batch, self._num_actions)
        ends = None if batch.first_step is None else where.ends
        attempt = 0
        while not self._stop.is_set():
            start = time.perf_counter()
            requests = score_requests(batch_id, batch.observations, batch.targets, remember=True, ends=ends)
            stub = DiscriminatorServiceStub(self._peer.channel)
            call = self._call = stub.Score.future(requests, timeout=DEADLINE_S)
            if self._stop.is_set():  # __exit__ ran a moment before and could not see this call
                self._cancel()
            try:
                answer = call.result()
            except (grpc.RpcError, grpc.FutureCancelledError) as error:
                if self._stop.is_set():
                    return None
                code, details = call.code(), reason(call)
                if code in REFUSED:
                    raise ValueError(f"discriminator: refuses the batch: {call.details()}") from error
                if code not in RETRIED:
                    raise DiscriminatorError(f"discriminator: {details}") from error
                if attempt == 0:
                    _log.warning("waiting for the discriminator: %s", details)
                self._peer.failed()
                self._stop.wait(RETRY_S[min(attempt, len(RETRY_S) - 1)])
                attempt += 1
                continue
            self._peer.answered()
            self._metrics["spiral_learner_score_seconds"].observe(time.perf_counter() - start)
            return scored_batch(batch, where, oldest, newest, answer)
        return None

    def _cancel(self) -> None:
        if self._call is not None:
            self._call.cancel()


def scored_batch(batch: Trajectory, where: Places, oldest: int, newest: int, answer: ScoreResponse) -> ScoredBatch:
    """Check the answer and join it with its batch. DiscriminatorError if it makes no sense."""
    try:
        terms = read_terms(answer, batch.observations.shape[:2])
    except ValueError as error:
        raise DiscriminatorError(str(error)) from error
    return ScoredBatch(batch, where, oldest, newest, terms, answer.real.mean, answer.painted.mean)
