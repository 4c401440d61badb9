"""The thread that owns the judge, and what callers hear when it can't answer."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import pytest

from spiral.runs.checkpoint_reading import CheckpointError
from spiral.services.discriminator.build import build_judge
from spiral.services.discriminator.judge import Judge
from spiral.services.discriminator.metrics import DiscriminatorMetrics
from spiral.services.discriminator.servicer import Discriminator
from spiral.services.discriminator.worker import BusyError, ClosedError, Worker
from spiral.serving.metrics import new_metrics
from spiral.v1 import discriminator_pb2 as pb
from spiral.v1.discriminator_pb2_grpc import DiscriminatorServiceStub, add_DiscriminatorServiceServicer_to_server
from spiral.wire import rpc
from spiral.wire.interceptor import StatusInterceptor
from spiral.wire.server import Server
from spiral.wire.tensors import spec_of
from tests.support.judging_data import SHAPE, config, dataset, discriminator, observations

PATIENCE_S = 30.0
CONFIG = config("discriminator.update_first=false", "discriminator.updates_per_batch=2")


pytestmark = pytest.mark.usefixtures("one_thread")


@dataclass
class Bench:
    """A worker, and a record of what it asked for."""

    now_s: float = 0.0
    saved: list[int] = field(default_factory=list)
    """Updates made at each checkpoint."""
    failing: Exception | None = None
    failed: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.judge = build_judge(CONFIG, SHAPE, dataset(), seed=0)
        self.worker = Worker(
            self.judge,
            self.save,
            interval_s=10.0,
            queue_size=2,
            clock=lambda: self.now_s,
            failed=self.failed.set,
        )

    def save(self) -> None:
        self.saved.append(self.judge.version.number)
        if self.failing:
            raise self.failing

    def score(self, name: str) -> Future[object]:
        return self.worker.submit(lambda judge: judge.score(name, observations(0), None, True))


def wait_until_idle(bench: Bench) -> None:
    """A job queued after another one runs after all that follows the other one."""
    bench.worker.submit(lambda judge: None).result(PATIENCE_S)


def test_jobs_run_in_order_and_debts_are_paid_in_between() -> None:
    bench = Bench()
    seen: list[tuple[str, int]] = []

    def job(name: str, judge: Judge) -> None:
        judge.score(name, observations(0), None, True)
        seen.append((name, judge.version.number))

    first = bench.worker.submit(lambda judge: job("a", judge))
    second = bench.worker.submit(lambda judge: job("b", judge))
    bench.worker.start()
    first.result(PATIENCE_S)
    second.result(PATIENCE_S)
    bench.worker.close()
    assert seen == [("a", 0), ("b", 2)]
    assert bench.judge.version.number == 4
    assert bench.worker.failure is None


def test_a_full_queue_is_busy_and_a_closed_worker_is_closed() -> None:
    bench = Bench()
    for name in ("a", "b"):
        bench.score(name)
    with pytest.raises(BusyError, match="2 calls already wait for the judge"):
        bench.score("c")
    bench.worker.start()
    bench.worker.close()  # what was queued is finished
    assert bench.judge.version.number == 4
    with pytest.raises(ClosedError):
        bench.score("d")


def test_a_call_that_was_cancelled_is_not_made() -> None:
    bench = Bench()
    cancelled = bench.score("a")
    assert cancelled.cancel()
    bench.worker.start()
    wait_until_idle(bench)
    bench.worker.close()
    assert bench.judge.version.number == 0


def test_checkpoints_come_at_their_interval_when_something_happened_and_at_the_end() -> None:
    bench = Bench()
    bench.worker.start()
    bench.score("a").result(PATIENCE_S)
    wait_until_idle(bench)
    assert bench.saved == []
    bench.now_s = 10.0
    wait_until_idle(bench)
    wait_until_idle(bench)
    assert bench.saved == [2]
    bench.score("b").result(PATIENCE_S)
    bench.worker.close()
    assert bench.saved == [2, 4]


def test_a_checkpoint_that_fails_is_said_and_survived_but_the_last_is_a_failure(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bench = Bench(failing=CheckpointError("the disk is full"))
    bench.worker.start()
    bench.now_s = 10.0
    bench.score("a").result(PATIENCE_S)
    bench.score("b").result(PATIENCE_S)
    assert bench.worker.failure is None
    assert "no checkpoint: the disk is full" in caplog.text
    bench.worker.close()
    assert str(bench.worker.failure) == "the disk is full"
    assert bench.failed.is_set()


def test_a_bad_question_harms_nobody_and_a_failure_ends_it_for_all() -> None:
    bench = Bench()
    bench.worker.start()
    with pytest.raises(ValueError, match="count: 0"):
        bench.worker.submit(lambda judge: judge.sample_targets(0, False)).result(PATIENCE_S)
    release = threading.Event()

    def fail(judge: Judge) -> None:
        assert release.wait(PATIENCE_S)
        raise MemoryError("no room")

    failing, waiting = bench.worker.submit(fail), bench.score("a")
    release.set()
    with pytest.raises(MemoryError):
        failing.result(PATIENCE_S)
    assert bench.failed.wait(PATIENCE_S)
    assert waiting.cancelled()
    assert isinstance(bench.worker.failure, MemoryError)
    assert bench.saved == []  # what a failure left behind is not saved over a good checkpoint
    with pytest.raises(ClosedError):
        bench.score("b")


@dataclass
class Served:
    """The servicer of a bench behind a socket."""

    bench: Bench
    draining: threading.Event
    stub: DiscriminatorServiceStub

    def status(self, timeout_s: float = PATIENCE_S) -> grpc.StatusCode:
        with pytest.raises(grpc.RpcError) as caught:
            self.stub.SampleTargets(pb.SampleTargetsRequest(count=1), timeout=timeout_s)
        return caught.value.code()


@pytest.fixture(name="served")
def _served(tmp_path: Path) -> Iterator[Served]:
    bench, draining = Bench(), threading.Event()
    meter = DiscriminatorMetrics(new_metrics("discriminator"), bench.judge, 60)
    server = Server(f"unix:{tmp_path}/s", workers=4, interceptors=[StatusInterceptor()])
    servicer = Discriminator(
        bench.worker, meter, SHAPE, conditional=False, max_batch_bytes=1 << 20, idle_s=60.0, draining=draining.is_set
    )
    add_DiscriminatorServiceServicer_to_server(servicer, server)
    server.start()
    with rpc.connect(server.address) as channel:
        yield Served(bench, draining, DiscriminatorServiceStub(channel))
    server.close(0)


def test_callers_hear_why_they_get_no_answer(served: Served) -> None:
    """The worker has not been started, so that nothing leaves the queue of two."""
    bench = served.bench
    assert served.status(timeout_s=0.2) == grpc.StatusCode.DEADLINE_EXCEEDED
    bench.score("a")
    assert served.status() == grpc.StatusCode.RESOURCE_EXHAUSTED
    bench.worker.start()
    wait_until_idle(bench)
    assert served.stub.SampleTargets(pb.SampleTargetsRequest(count=1), timeout=PATIENCE_S).targets.shape[0] == 1
    served.draining.set()
    assert served.status() == grpc.StatusCode.UNAVAILABLE
    header = pb.ScoreHeader(batch_id="b", observations=spec_of("observations", observations(0)))
    with pytest.raises(grpc.RpcError) as caught:
        served.stub.Score(iter([pb.ScoreRequest(header=header)]), timeout=PATIENCE_S)
    assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
    bench.worker.close()
    served.draining.clear()
    assert served.status() == grpc.StatusCode.UNAVAILABLE


def test_a_caller_that_stops_in_the_middle_of_a_batch_is_cut_off(tmp_path: Path) -> None:
    header = pb.ScoreHeader(batch_id="a", observations=spec_of("observations", observations(0)))
    sent: queue.SimpleQueue[pb.ScoreRequest | None] = queue.SimpleQueue()
    sent.put(pb.ScoreRequest(header=header))
    address = f"unix:{tmp_path}/s"
    with discriminator(address, idle_s=0.1), rpc.connect(address) as channel:
        with pytest.raises(grpc.RpcError) as caught:
            DiscriminatorServiceStub(channel).Score(iter(sent.get, None), timeout=PATIENCE_S)
        sent.put(None)
    assert caught.value.code() == grpc.StatusCode.CANCELLED
