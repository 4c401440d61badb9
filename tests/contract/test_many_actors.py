"""Sixty-four actors before one learner, played by light stand-ins: none starves, memory is bounded, demand is told."""

from __future__ import annotations

import itertools
import json
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

import psutil
import pytest
import zmq

from spiral.configuration.files import load_config
from spiral.configuration.schema import RunConfig
from spiral.engines import create
from spiral.engines.description import EngineDescription
from spiral.runs.directory import Run
from spiral.services.learner.ingest_thread import Ingest
from spiral.serving.metrics import new_metrics
from spiral.serving.metrics_page import Page, parse_page
from spiral.v1 import info_pb2, info_pb2_grpc
from spiral.values.trajectories import TrajectoryContract
from spiral.wire import rpc, sockets
from tests.support.judging_data import discriminator
from tests.support.processes import start, until
from tests.support.stand_in_actors import any_trajectory, stand_ins
from tests.support.trajectory_messages import CONTRACT, make_admission, make_trajectory

ACTORS = 64
SLOTS, CREDITS = 8, 2
"""Slots of the learner's queue, and the most credits that one actor may hold."""
DISTANCE = ("conditional=true", "discriminator.kind=l2")
"""The judge that costs nothing."""
QUEUE_BYTES = 16 << 20
LONG_S = 400.0
"""Patience with a learner that computes, on a machine that does other things."""
ROUNDS = 8
"""Trajectories of each actor, from when all are there."""


@dataclass
class Learner:
    """A learner as a process, and what it says of itself."""

    process: subprocess.Popen[bytes]
    run: Run
    address: str
    data: str
    contract: TrajectoryContract
    config: RunConfig
    log: Path

    def page(self) -> Page:
        """Its metrics."""
        with rpc.connect(self.address) as channel:
            info = info_pb2_grpc.InfoServiceStub(channel).GetInfo(info_pb2.GetInfoRequest(), timeout=30.0)
        with build_opener(ProxyHandler({})).open(info.metrics_url, timeout=30.0) as answer:
            return parse_page(answer.read().decode())

    def value(self, name: str, **labels: str) -> float:
        """One of its metrics."""
        value = self.page().value(name, **labels)
        assert value is not None, f"no {name} {labels}"
        return value

    def count(self, name: str) -> float:
        """The sum of a metric over its labels."""
        return sum(value for (metric, _), value in self.page().values.items() if metric == name)

    def resident_bytes(self) -> int:
        """Memory of the process that is in RAM."""
        return int(psutil.Process(self.process.pid).memory_info().rss)


@contextmanager
def learning(folder: Path, *settings: str) -> Iterator[Learner]:
    """A real learner before a discriminator that answers at once; it needs no renderer, being told of the engine."""
    config = load_config("demo", (*settings, *DISTANCE))
    run = Run(folder / "run")
    run.path.mkdir()
    engine = create(config.engine.name, config.engine.settings)
    description = EngineDescription.of(engine)
    run.engine_file.write_text(json.dumps(description.to_json()))
    contract = TrajectoryContract(engine.spec, engine.observation_shape, config.num_actions, conditional=True, noise=0)
    address, data, judge = (f"unix:{folder}/{name}" for name in ("grpc", "data", "judge"))
    options = [f"--learner-data={data}", f"--run-dir={run.path}", f"--discriminator={judge}", "--config=demo"]
    with ExitStack() as stack:
        stack.enter_context(discriminator(judge, engine.observation_shape, conditional=True, max_batch_bytes=64 << 20))
        log = folder / "log"
        process = start("learner", address, log, *options, *(f"--set={setting}" for setting in (*settings, *DISTANCE)))
        stack.callback(process.wait)
        stack.callback(process.kill)
        yield Learner(process, run, address, data, contract, config, log)


def test_sixty_four_actors_are_served_in_turn_and_nobody_is_refused(tmp_path: Path) -> None:
    address, metrics = f"unix:{tmp_path}/data", new_metrics("learner")
    admission = make_admission(queue=1000, queue_bytes=SLOTS * CONTRACT.nbytes(2), credits_per_actor=CREDITS)
    assert admission.slots.count == SLOTS, "it is the bytes that bound the queue here"
    with zmq.Context() as context, Ingest(sockets.router(context, address), admission, metrics) as ingest:
        with stand_ins(address, CONTRACT, make_trajectory()) as actors:
            actors.add(ACTORS)
            until(lambda: ingest.actors == ACTORS, "all actors to be there")
            most_queued, served = 0, Counter[str]()
            # What may lie in the queue at this moment is of those who came first.
            for number in itertools.count(-SLOTS):
                arrived = until(lambda: ingest.take(0.1), "a trajectory")
                most_queued = max(most_queued, admission.queued)
                served[arrived.actor_id] += number >= 0
                arrived.release()
                if len(served) == ACTORS and min(served.values()) == ROUNDS:
                    break
        assert [one.other for one in actors.everyone] == [[]] * ACTORS
        assert max(one.most for one in actors.everyone) <= CREDITS
        assert most_queued <= SLOTS
        assert max(served.values()) <= ROUNDS + 1 + CREDITS, "a turn, and what one may hold: nobody is further ahead"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_learner_of_sixty_four_actors_holds_no_more_than_its_queue(tmp_path: Path) -> None:
    settings = (
        "engine.settings.view=64",
        "actor.batch=64",
        "actor.groups=2",
        "learner.batch=64",
        "learner.queue=1000",
        f"learner.queue_bytes={QUEUE_BYTES}",
        "learner.reuse=1",
        "learner.minibatches=1",
        "policy.width=16",
    )
    with learning(tmp_path, *settings) as learner:
        trajectory = any_trajectory(learner.contract, 64)
        assert ACTORS * trajectory.nbytes > 5 * QUEUE_BYTES, "what they have to send does not fit"
        with stand_ins(learner.data, learner.contract, trajectory) as actors:
            actors.add(1)
            # Everything is made once, and the allocator has what an update takes.
            until(lambda: actors.accepted[0] >= 12, "one actor's trajectories", LONG_S)
            before = most = learner.resident_bytes()
            actors.add(ACTORS - 1)

            def fed() -> bool:
                nonlocal most
                most = max(most, learner.resident_bytes())
                assert learner.value("spiral_learner_queue_bytes") <= QUEUE_BYTES
                return min(actors.accepted) >= 2

            until(fed, "two trajectories of each", LONG_S)
        assert [one.other for one in actors.everyone] == [[]] * ACTORS
        assert max(one.most for one in actors.everyone) <= 2
        assert learner.count("spiral_learner_refused_total") == 0
        assert learner.count("spiral_learner_dropped_total") == 0
        # Twice the queue: a message may lie in ZeroMQ's buffer and in its slot, and batches are copies of some slots.
        assert most - before <= 2 * QUEUE_BYTES


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_demand_for_actors_is_above_those_who_cannot_feed_it_and_below_those_who_are_too_many(
    tmp_path: Path,
) -> None:
    # Trajectories never grow too old here, or the learner would ask for no more than six.
    settings = ("actor.batch=16", "learner.batch=16", "policy.width=16", "learner.max_lag=100000")
    with learning(tmp_path, *settings) as learner:
        trajectory = any_trajectory(learner.contract, 16)
        with stand_ins(learner.data, learner.contract, trajectory, paint_s=1.0) as actors:
            actors.add(1)
            until(lambda: learner.value("spiral_learner_actor_demand") >= 2, "more actors to be asked for", LONG_S)
            actors.add(ACTORS - 1)
            until(lambda: learner.value("spiral_learner_actors") == ACTORS, "all to be there", LONG_S)
            records = len(learner.run.history())
            until(lambda: len(learner.run.history()) >= records + 2, "all to have counted", LONG_S)
            until(
                lambda: 1 <= learner.value("spiral_learner_actor_demand") <= ACTORS / 2,
                "fewer actors to be asked for than are there",
                LONG_S,
            )


def test_a_learner_that_waits_lets_all_who_are_there_paint(tmp_path: Path) -> None:
    sizes = ("actor.batch=16", "learner.batch=16", "learner.queue=2", "policy.width=16")
    # One update a batch: with more, sixteen batches under way would be older than is right.
    with learning(tmp_path, *sizes, "learner.reuse=1", "learner.minibatches=1") as learner:
        with stand_ins(learner.data, learner.contract, any_trajectory(learner.contract, 16), paint_s=1.0) as actors:
            actors.add(8)
            until(lambda: learner.value("spiral_learner_slots") >= 12, "places for what they can paint")
        assert max(one.most for one in actors.everyone) == CREDITS
