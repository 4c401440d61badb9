"""The one thread that owns the judge: calls queue for it; between jobs it makes owed updates and checkpoints.

The thread owns network and replay and takes jobs in order. A batch is remembered, earns its updates, and is scored
(with ``update_first: false`` it is scored before the updates). So the ratio of updates to batches is exact on every
machine.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar

from spiral.computing.divergence import DivergedError
from spiral.runs.checkpoint_reading import CheckpointError
from spiral.services.discriminator.judge import Judge, Update

T = TypeVar("T")

POLL_S = 0.2
"""Longest time until an idle worker notices that it should end or that a checkpoint is due."""

log = logging.getLogger(__name__)


class BusyError(RuntimeError):
    """The queue is full; ask again later."""


class ClosedError(RuntimeError):
    """The worker takes no more jobs."""


class Worker:
    """Runs jobs on the judge, first come first served::

    worker = Worker(judge, checkpoint, interval_s=60, queue_size=8, clock=time.monotonic)
    worker.start()
    scores = worker.submit(lambda judge: judge.score(...)).result(timeout)
    worker.close()

    After each job the worker makes the updates that it earned, so at most one batch's updates are ever owed.
    """

    def __init__(
        self,
        judge: Judge,
        checkpoint: Callable[[], object],
        *,
        interval_s: float,
        queue_size: int,
        clock: Callable[[], float],
        progressed: Callable[[tuple[Update, ...]], None] = lambda updates: None,
        failed: Callable[[], None] = lambda: None,
    ) -> None:
        """``checkpoint`` is called every ``interval_s`` in which something was learned, and may raise CheckpointError.

        ``progressed`` is called after each job with the updates made since, ``failed`` when ``failure`` ended the
        worker; all are called in the worker's thread.
        """
        self.failure: Exception | None = None
        """The error that ended the worker, if one did."""
        self._judge, self._checkpoint = judge, checkpoint
        self._interval_s, self._clock = interval_s, clock
        self._progressed, self._failed = progressed, failed
        self._jobs: queue.Queue[_Job] = queue.Queue(queue_size)
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="judge", daemon=True)

    def start(self) -> None:
        """Begin to run jobs."""
        self._thread.start()

    def close(self) -> None:
        """Finish the queued jobs, make a last checkpoint and end; ``failure`` says if that went wrong."""
        self._closed.set()
        self._thread.join()

    def submit(self, job: Callable[[Judge], T]) -> Future[T]:
        """Queue a job. Cancelling its future before it begins keeps it from running; a failure cancels it, too.

        Raises BusyError if the queue is full, ClosedError if the worker has ended.
        """
        future: Future[T] = Future()
        if self._closed.is_set():
            raise ClosedError("the judge is stopping")
        try:
            self._jobs.put_nowait(_Job(future, lambda: job(self._judge)))
        except queue.Full:
            raise BusyError(f"{self._jobs.maxsize} calls already wait for the judge") from None
        if self.failure is not None:  # the worker may have failed, and emptied the queue, just before
            future.cancel()
        return future

    def _run(self) -> None:
        saved_s, saved = self._clock(), self._judge.remembered
        try:
            while not (self._closed.is_set() and self._jobs.empty()):
                try:
                    job = self._jobs.get(timeout=min(POLL_S, self._interval_s))
                except queue.Empty:
                    pass
                else:
                    job.run()
                    self._progressed(self._judge.pay_debt())
                if self._judge.remembered != saved and self._clock() - saved_s >= self._interval_s:
                    saved_s = self._clock()
                    saved = self._judge.remembered if self._save() else saved
            if self._judge.remembered != saved:
                self._checkpoint()
        except CheckpointError as error:
            log.error("no last checkpoint: %s", error)
            self._fail(error)
        except DivergedError as error:
            if self._judge.remembered != saved:
                self._save()  # the weights are sound again
            self._fail(error)
        except Exception as error:
            log.exception("the judge has failed")
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        self.failure = error
        self._closed.set()
        while not self._jobs.empty():
            self._jobs.get().future.cancel()
        self._failed()

    def _save(self) -> bool:
        """Write a checkpoint and return whether it worked: without one a run goes on, but the log says so."""
        try:
            self._checkpoint()
        except CheckpointError as error:
            log.error("no checkpoint: %s; trying again in %g s", error, self._interval_s)
            return False
        return True


@dataclass(frozen=True, slots=True)
class _Job:
    future: Future[Any]
    work: Callable[[], Any]

    def run(self) -> None:
        """Run the job unless it was cancelled. Raises its error, unless a bad request caused it and changed nothing."""
        if not self.future.set_running_or_notify_cancel():
            return
        try:
            result = self.work()
        except ValueError as error:
            self.future.set_exception(error)
        except Exception as error:
            self.future.set_exception(error)
            raise
        else:
            self.future.set_result(result)
