"""A real actor before a real renderer; the test plays the learner with the learner's own ingest and publisher."""

from __future__ import annotations

import asyncio
import logging
import random
import re
import signal
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import numpy as np
import pytest
import torch
import zmq
from prometheus_client.parser import text_string_to_metric_families

from spiral.configuration.files import load_config
from spiral.configuration.schema import RunConfig
from spiral.datasets import load
from spiral.engines import create
from spiral.policy import build_policy
from spiral.policy.weights import dump_weights
from spiral.services.actor.__main__ import main
from spiral.services.actor.renderer_streams import Renderers
from spiral.services.actor.targets import Targets
from spiral.services.actor.waiting import Waits
from spiral.services.learner.admission import Admission
from spiral.services.learner.ingest_thread import Arrived, Ingest
from spiral.services.learner.publisher import LearnerServicer, WeightsPublisher
from spiral.serving.metrics import new_metrics
from spiral.v1 import info_pb2, info_pb2_grpc, learner_pb2_grpc
from spiral.v1.learner_pb2 import GetWeightsRequest, GetWeightsResponse
from spiral.values.trajectories import TrajectoryContract
from spiral.values.versions import Version
from spiral.wire import rpc, sockets
from spiral.wire.interceptor import StatusInterceptor
from spiral.wire.reconnecting import ReconnectingAsyncChannel
from spiral.wire.server import Server
from tests.support.judging_data import SHAPE, discriminator
from tests.support.processes import PATIENCE_S, start, until

LONG = "num_actions=300"
"""Episodes that are certainly under way at almost any moment."""
CONDITIONAL = ("conditional=true", "discriminator.kind=l2")
SETTINGS = ("actor.batch=4", "actor.groups=2", "learner.batch=4", "policy.width=16", "num_actions=4", "unroll=1000")
FIRST = Version(1, 0)


class Absent(LearnerServicer):
    """Serves weights but while it is away."""

    away = False
    asked_in_vain = 0

    def GetWeights(  # noqa: N802
        self, request: GetWeightsRequest, context: grpc.ServicerContext
    ) -> Iterator[GetWeightsResponse]:
        if self.away:
            self.asked_in_vain += 1
            context.abort(grpc.StatusCode.UNAVAILABLE, "it is away")
        yield from super().GetWeights(request, context)


@dataclass
class Loop:
    """The learner's ends, and how to start the others."""

    folder: Path
    settings: tuple[str, ...]
    config: RunConfig
    contract: TrajectoryContract
    publisher: WeightsPublisher
    ingest: Ingest = field(init=False)
    servicer: Absent
    stack: ExitStack
    ends: ExitStack
    """What receives trajectories."""

    def receive(self, version: Version) -> None:
        """Begin to receive trajectories, as a learner whose newest weights are ``version``, in place of another."""
        self.ends.close()
        size = self.config.actor.batch
        admission = Admission(
            self.contract, version, batch=size, learner_batch=size, queue=4, queue_bytes=1 << 24, credits_per_actor=2
        )
        router = sockets.router(self.ends.enter_context(zmq.Context()), f"unix:{self.folder}/d")
        self.ingest = self.ends.enter_context(Ingest(router, admission, new_metrics("learner")))

    def renderer(self) -> subprocess.Popen[bytes]:
        process = start("renderer", f"unix:{self.folder}/r", self.folder / "renderer.log")
        self.stack.callback(process.wait)
        self.stack.callback(process.kill)
        return process

    def discriminator(self) -> None:
        """Start a discriminator, for its targets."""
        flags = ["--config=demo", *(f"--set={setting}" for setting in self.settings), f"--run-dir={self.folder}/run"]
        process = start("discriminator", f"unix:{self.folder}/j", self.folder / "discriminator.log", *flags)
        self.stack.callback(process.wait)
        self.stack.callback(process.kill)

    def actor(self, *arguments: str) -> None:
        """Start an actor, which ends with 0 on SIGTERM, whatever it is doing when the test is over."""
        process = start("actor", f"unix:{self.folder}/a", self.folder / "actor.log", *self.flags(), *arguments)
        self.stack.callback(end, process)

    def flags(self) -> list[str]:
        places = {"renderer": "r", "learner": "l", "learner-data": "d", "discriminator": "j"}
        flags = [f"--{name}=unix:{self.folder}/{place}" for name, place in places.items()]
        return [*flags, "--config=demo", *(f"--set={setting}" for setting in self.settings)]

    def weights(self, zeroed: bool = False) -> bytes:
        torch.manual_seed(0)
        policy = build_policy(
            self.config.policy,
            self.contract.spec,
            self.contract.observation_shape,
            self.config.num_actions,
            self.config.conditional,
        )
        return dump_weights({k: torch.zeros_like(v) if zeroed else v for k, v in policy.state_dict().items()})

    def take(self) -> Arrived:
        arrived = until(lambda: self.ingest.take(0.1), "a trajectory")
        arrived.release()
        return arrived

    def drain(self) -> None:
        """Take whatever there is, so that nobody waits for a credit."""
        while arrived := self.ingest.take(0.0):
            arrived.release()

    def lost(self) -> float:
        """Episodes that the actor has counted as lost with their renderer."""
        self.drain()
        return self.actor_metrics()["spiral_actor_episodes_lost_total", "renderer"]

    def paint_a_little(self) -> None:
        """Wait until an episode is under way."""
        frames = self.actor_metrics()["spiral_actor_frames_total",]
        until(lambda: self.actor_metrics()["spiral_actor_frames_total",] > frames, "frames")

    def actor_metrics(self) -> dict[tuple[str, ...], float]:
        with rpc.connect(f"unix:{self.folder}/a") as channel:
            info = info_pb2_grpc.InfoServiceStub(channel).GetInfo(info_pb2.GetInfoRequest(), timeout=10)
        page = urllib.request.urlopen(info.metrics_url, timeout=10).read().decode()
        samples = (s for family in text_string_to_metric_families(page) for s in family.samples)
        return {(s.name, *s.labels.values()): s.value for s in samples}


@pytest.fixture
def log_put_back() -> Iterator[None]:
    """A service in this process sets the log up for itself; whoever comes next gets back what was there."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def end(actor: subprocess.Popen[bytes]) -> None:
    """SIGTERM, and what has to come of it."""
    try:
        actor.send_signal(signal.SIGTERM)
        assert actor.wait(30) == 0
    finally:
        actor.kill()
        actor.wait()


@pytest.fixture
def loop(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Loop]:
    settings = (*SETTINGS, *getattr(request, "param", ()))
    config = load_config("demo", settings)
    engine = create(config.engine.name, config.engine.settings)
    contract = TrajectoryContract(engine.spec, engine.observation_shape, config.num_actions, config.conditional, 0)
    with ExitStack() as stack:
        ends = stack.enter_context(ExitStack())
        publisher = WeightsPublisher(contract.digest)
        server = Server(f"unix:{tmp_path}/l", 4, [StatusInterceptor()])
        stack.callback(server.close)
        servicer = Absent(publisher)
        learner_pb2_grpc.add_LearnerServiceServicer_to_server(servicer, server)
        server.start()
        loop = Loop(tmp_path, settings, config, contract, publisher, servicer, stack, ends)
        loop.receive(FIRST)
        yield loop


def test_replaying_the_actions_gives_exactly_the_observations_that_arrive(loop: Loop) -> None:
    loop.publisher.publish(FIRST, loop.weights())
    loop.renderer()
    loop.actor()
    canvases = create(loop.config.engine.name, loop.config.engine.settings).open(4)
    for _ in range(3):
        arrived = loop.take()
        trajectory = arrived.trajectory
        assert (arrived.oldest_version, arrived.newest_version) == (FIRST, FIRST)
        np.testing.assert_array_equal(canvases.reset(np.zeros(4, np.int64)), trajectory.observations[0])
        for actions, observations in zip(trajectory.actions, trajectory.observations[1:], strict=True):
            np.testing.assert_array_equal(canvases.step(np.ascontiguousarray(actions)), observations)
        assert len(np.unique(trajectory.actions)) > 10, "the episodes are not all the same"


@pytest.mark.parametrize("loop", [CONDITIONAL], indirect=True)
def test_the_targets_of_a_conditional_run_come_from_the_discriminators_data_set(loop: Loop) -> None:
    loop.publisher.publish(FIRST, loop.weights())
    loop.renderer()
    loop.discriminator()
    loop.actor()
    first, second = (loop.take().trajectory.targets for _ in range(2))
    assert first is not None
    assert second is not None
    known = {digit.tobytes() for digit in load("mnist-sample", (32, 32), colour=False).train}
    assert all(target.tobytes() in known for target in (*first, *second))
    assert not np.array_equal(first, second)


def test_zeroed_weights_make_every_log_probability_the_uniform_one(loop: Loop) -> None:
    loop.publisher.publish(FIRST, loop.weights())
    loop.renderer()
    loop.actor()
    loop.take()
    zeroed = Version(1, 1)
    loop.publisher.publish(zeroed, loop.weights(zeroed=True))
    loop.ingest.set_version(zeroed)
    arrived = until(lambda: (a := loop.take()).oldest_version == zeroed and a, "a trajectory by the new weights")
    spec, trajectory = loop.contract.spec, arrived.trajectory
    uniform = -(spec.mask(trajectory.actions) * np.log(spec.sizes)).sum(-1)
    assert len(np.unique(uniform)) > 1, "both flags occur"
    np.testing.assert_allclose(trajectory.behaviour_log_prob, uniform, atol=1e-5)


def test_who_can_not_have_a_new_generations_weights_paints_nothing_and_says_so_in_few_lines(loop: Loop) -> None:
    """A learner that was restarted announces its generation by ZeroMQ before gRPC has found it."""
    loop.publisher.publish(FIRST, loop.weights())
    loop.renderer()
    loop.actor()
    loop.take()
    loop.servicer.away = True
    loop.receive(Version(2, 0))
    until(lambda: loop.drain() or loop.servicer.asked_in_vain >= 6, "six tries")
    dropped = loop.actor_metrics().get(("spiral_actor_episodes_lost_total", "generation"), 0.0)
    assert dropped <= 16, "of each group what was being painted, and what was on its way"
    lines = (loop.folder / "actor.log").read_text().splitlines()
    assert len([line for line in lines if "no weights" in line]) == 1, lines
    loop.publisher.publish(Version(2, 0), loop.weights())
    loop.servicer.away = False
    until(lambda: loop.take().oldest_version == Version(2, 0), "painting to go on")


@pytest.mark.parametrize("loop", [(LONG,)], indirect=True)
def test_painting_goes_on_after_a_renderer_was_killed_and_the_loss_is_counted(loop: Loop) -> None:
    loop.publisher.publish(FIRST, loop.weights())
    renderer = loop.renderer()
    loop.actor("--stream-life-s=600")
    loop.paint_a_little()
    renderer.kill()
    renderer.wait()
    until(lambda: loop.lost() in {4, 8}, "the episodes of a group or both to be counted as lost")
    loop.renderer()
    loop.drain()
    loop.take()
    assert loop.lost() <= 8


def test_streams_are_retired_and_renderers_stop_at_an_episode_border_and_nothing_is_lost(loop: Loop) -> None:
    loop.publisher.publish(FIRST, loop.weights())
    renderer = loop.renderer()
    loop.actor("--stream-life-s=0.01", "--log-level=debug")
    for _ in range(8):
        loop.take()
    accepted = ("spiral_actor_trajectories_total", "accepted")
    until(lambda: loop.actor_metrics()[accepted] >= 8, "all 8 answers to be counted")
    renderer.send_signal(signal.SIGTERM)
    assert renderer.wait(30) == 0
    loop.renderer()
    loop.drain()
    loop.take()
    assert loop.lost() == 0
    assert (loop.folder / "actor.log").read_text().count("retired a stream") >= 6


def test_who_has_no_renderer_yet_waits_says_so_and_can_be_ended(loop: Loop) -> None:
    loop.actor()
    with rpc.connect(f"unix:{loop.folder}/a") as channel:
        stub = info_pb2_grpc.InfoServiceStub(channel)
        until(
            lambda: list(stub.GetInfo(info_pb2.GetInfoRequest(), timeout=10).waiting_for) == ["renderer"],
            "it to say for whom it waits",
        )


def test_who_waits_for_a_renderer_that_hangs_counts_it_and_ends_at_once(loop: Loop) -> None:
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(f"{loop.folder}/r")
        silent.listen()
        process = start("actor", f"unix:{loop.folder}/a", loop.folder / "actor.log", *loop.flags())
        loop.stack.callback(process.kill)
        waited = ("spiral_actor_wait_seconds_total", "renderer")
        until(lambda: loop.actor_metrics().get(waited, 0.0) > 0, "the wait to be counted")
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0


@pytest.mark.parametrize("loop", [(LONG,)], indirect=True)
def test_a_frozen_renderer_costs_a_watchdog_and_is_left(loop: Loop) -> None:
    loop.publisher.publish(FIRST, loop.weights())
    renderer = loop.renderer()
    loop.actor("--watchdog-s=0.5", "--stream-life-s=600")
    loop.paint_a_little()
    lost = loop.lost()  # a busy machine may have cost a watchdog already
    renderer.send_signal(signal.SIGSTOP)
    until(lambda: loop.lost() > lost, "a group or both to give their streams up")
    renderer.send_signal(signal.SIGCONT)
    loop.take()


@pytest.mark.usefixtures("log_put_back")
@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ("num_actions=5", r"the learner refuses this actor.*contract_digest"),
        ("actor.batch=64", r"actor\.batch: a trajectory of this actor has \d+ bytes, the learner takes at most \d+"),
        ("engine.settings.brush=none", r"engine: the renderer refuses: .*none"),
        ("policy.width=32", r"weights: .* has shape"),
    ],
)
def test_an_actor_that_fits_nobody_ends_with_2_and_a_sentence(
    loop: Loop, capsys: pytest.CaptureFixture[str], setting: str, sentence: str
) -> None:
    loop.publisher.publish(FIRST, loop.weights())
    loop.renderer()
    more = ["--set=learner.batch=64"] if "batch" in setting else []
    assert main([f"--listen=unix:{loop.folder}/a", *loop.flags(), f"--set={setting}", *more]) == 2
    assert re.search(sentence, capsys.readouterr().err)


WAITS = Waits(lambda peer, seconds: None, lambda peer: nullcontext())


def test_canvases_that_the_renderer_refuses_are_an_error_and_not_tried_again(loop: Loop) -> None:
    loop.renderer()

    async def open_too_many() -> None:
        async with ReconnectingAsyncChannel(lambda: rpc.connect_async(f"unix:{loop.folder}/r")) as peer:
            renderers = Renderers(
                peer, loop.config.engine, WAITS, random.Random(0), stream_life_s=60.0, watchdog_s=PATIENCE_S
            )
            await renderers.open(5000, loop.contract.observation_shape)

    with pytest.raises(ValueError, match=r"the renderer refuses: .*batch: 5000 is outside 1…4096"):
        asyncio.run(open_too_many())


def test_targets_that_the_discriminator_refuses_are_an_error_and_not_tried_again(tmp_path: Path) -> None:
    async def draw_too_many() -> None:
        async with ReconnectingAsyncChannel(lambda: rpc.connect_async(f"unix:{tmp_path}/j")) as peer:
            await Targets(peer, SHAPE, WAITS, random.Random(0), PATIENCE_S).draw(5000)

    with (
        discriminator(f"unix:{tmp_path}/j"),
        pytest.raises(ValueError, match="the discriminator refuses: count: 5000 is outside 1…4096"),
    ):
        asyncio.run(draw_too_many())
