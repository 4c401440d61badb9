"""Trajectories over real sockets: the learner's ingest before actors that err, freeze, die and come back."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import numpy as np
import pytest
import zmq
import zmq.asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spiral.services.learner import scoring
from spiral.services.learner.ingest_thread import Ingest
from spiral.services.learner.lag_limit import LagLimit
from spiral.services.learner.scoring import Scorer
from spiral.serving.metrics import new_metrics
from spiral.v1.trajectory_pb2 import (
    REASON_NO_HELLO,
    REASON_STOPPING,
    VERDICT_ACCEPTED,
    VERDICT_REFUSED,
    Reason,
)
from spiral.values.versions import Version
from spiral.wire import rpc, sockets
from spiral.wire.reconnecting import RENEW_S, ReconnectingChannel
from tests.support.ingests import Client, Learner, learning
from tests.support.judging_data import discriminator
from tests.support.name_server import Name
from tests.support.processes import until
from tests.support.trajectory_messages import (
    BATCH,
    CONTRACT,
    GOOD,
    REFUSED,
    VERSION,
    frames_of,
    hello,
    make_admission,
    make_header,
    make_trajectory,
)

ROOT = Path(__file__).parents[2]


def test_a_trajectory_arrives_as_it_was_sent_without_a_copy(learner: Learner) -> None:
    client = learner.client()
    assert client.ask(hello()).welcome.credits == 2
    assert client.answer(GOOD).verdict == VERDICT_ACCEPTED
    arrived = learner.ingest.take(30.0)
    assert arrived is not None
    for name, array in make_trajectory().tensors().items():
        received = arrived.trajectory.tensors()[name]
        np.testing.assert_array_equal(received, array, strict=True)
        assert not received.flags.owndata, "a view of the frame"
        assert not received.flags.writeable
    assert (arrived.actor_id, arrived.oldest_version, arrived.duration_s) == ("a", VERSION, 0.5)
    assert learner.ingest.take(0.0) is None


def test_trajectories_of_both_kinds_of_address_arrive() -> None:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    router = sockets.router(context, "127.0.0.1:0")
    with Ingest(router, make_admission(), new_metrics("learner")) as ingest:
        client = Client(context, router.address)
        client.ask(hello())
        assert client.answer(GOOD).verdict == VERDICT_ACCEPTED
        assert ingest.take(30.0) is not None
        client.socket.close()
    context.term()


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_wrong_is_answered_counted_and_survived(learner: Learner, case: str) -> None:
    frames, reason, word = REFUSED[case]
    client = learner.client()
    client.ask(hello())
    answer = client.answer(frames)
    assert (answer.verdict, Reason.Name(answer.reason)) == (VERDICT_REFUSED, f"REASON_{reason}")
    assert word in answer.detail
    assert client.answer(GOOD).verdict == VERDICT_ACCEPTED
    assert learner.count("spiral_learner_refused_total", reason=reason.lower()) == 1
    assert learner.count("spiral_learner_trajectories_total", verdict="refused") == 1
    assert learner.count("spiral_learner_trajectories_total", verdict="accepted") == 1


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Learner, Client]]:
    with learning(f"unix:{tmp_path_factory.mktemp('fuzz')}/data") as learner:
        yield learner, learner.client()


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=6), st.booleans())
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_garbage_is_answered_once_and_the_ingest_goes_on(
    fuzzed: tuple[Learner, Client], frames: list[bytes], head: bool
) -> None:
    learner, client = fuzzed
    if head:
        frames[0] = bytes(GOOD[0])
    assert client.answer(frames).verdict == VERDICT_REFUSED
    assert client.ask(hello()).HasField("welcome"), "the next message is the answer to the next question"
    assert learner.ingest.take(0.0) is None


def test_who_waits_is_told_at_once_when_a_slot_frees(address: str) -> None:
    with learning(address, make_admission(queue=1)) as learner:
        client = learner.client()
        client.ask(hello())
        assert client.answer(GOOD).credits == 0
        arrived = learner.ingest.take(30.0)
        assert arrived is not None
        arrived.release()
        assert client.read().heartbeat.credits == 1, "though the next regular heartbeat is an hour away"
        arrived.release()
        second = frames_of(make_header(make_trajectory(), 2), make_trajectory())
        assert client.answer(second).credits == 0, "a second release has freed nothing"


def test_heartbeats_carry_the_newest_version(address: str) -> None:
    with learning(address, heartbeat_s=0.01) as learner:
        client = learner.client()
        client.ask(hello())
        learner.ingest.set_version(Version(3, 11))
        until(lambda: client.read().heartbeat.version.number == 11, "the new version")
        with pytest.raises(ValueError, match="generation"):
            learner.ingest.set_version(Version(4, 11))


def test_a_stopping_learner_says_so(learner: Learner) -> None:
    client = learner.client()
    client.ask(hello())
    learner.ingest.stop()
    assert client.answer(GOOD).reason == REASON_STOPPING
    assert learner.client().ask(hello("b")).refused.reason == REASON_STOPPING


def test_what_was_accepted_and_not_used_is_counted_at_the_end(address: str) -> None:
    with learning(address) as learner:
        client = learner.client()
        client.ask(hello())
        second = frames_of(make_header(make_trajectory(), sequence=2), make_trajectory())
        assert [client.answer(frames).verdict for frames in (GOOD, second)] == [VERDICT_ACCEPTED] * 2
        until(lambda: learner.ingest.take(0.1), "the first").release()
        assert learner.ingest.take(30.0) is not None, "the second is taken and never released"
    assert learner.count("spiral_learner_dropped_total", reason="stopping") == 1


@contextmanager
def scoring_one(learner: Learner, connect: Callable[[], grpc.Channel], renew_s: float = RENEW_S) -> Iterator[Scorer]:
    """A scorer that has one batch for the discriminator that ``connect`` leads to."""
    client = learner.client()
    client.ask(hello())
    assert client.answer(GOOD).verdict == VERDICT_ACCEPTED
    limit = LagLimit(100, learner.metrics)
    with (
        ReconnectingChannel(connect, renew_s) as peer,
        Scorer(
            learner.ingest, peer, learner.metrics, episodes=BATCH, num_actions=3, limit=limit, version=VERSION
        ) as scorer,
    ):
        yield scorer


def test_a_stop_does_not_wait_for_scores(learner: Learner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring, "DEADLINE_S", 3600.0)
    judging = f"unix:{tmp_path}/j"
    with (
        discriminator(judging, CONTRACT.observation_shape, working=False) as asked,
        scoring_one(learner, lambda: rpc.connect(judging)),
    ):
        assert asked.wait(30.0)


def test_a_batch_that_the_discriminator_does_not_take_is_an_error_and_not_tried_again(
    learner: Learner, tmp_path: Path
) -> None:
    judging = f"unix:{tmp_path}/j"
    with (
        discriminator(judging, CONTRACT.observation_shape, max_batch_bytes=100),
        scoring_one(learner, lambda: rpc.connect(judging)) as scorer,
        pytest.raises(ValueError, match="refuses the batch: observations: the batch has 128 bytes, at most 100"),
    ):
        until(lambda: scorer.take(0.1), "the error")


def test_a_discriminator_whose_name_led_nowhere_for_long_is_asked_when_it_is_there(learner: Learner) -> None:
    with Name() as name, scoring_one(learner, name.connect, renew_s=0.5):
        until(lambda: name.connected > 3, "the name to be asked for anew, again and again")
        with discriminator(name.lead(), CONTRACT.observation_shape, working=False) as asked:
            assert asked.wait(30.0)


def test_credits_of_an_actor_that_ends_go_to_who_waits(address: str) -> None:
    with learning(address, make_admission(queue=1), heartbeat_s=0.01) as learner:
        first, second = learner.client(), learner.client()
        assert first.ask(hello()).welcome.credits == 1
        assert second.ask(hello("b")).welcome.credits == 0
        first.socket.close()
        until(lambda: second.read().heartbeat.credits == 1, "the credit of the one that is gone")


HOLDER = """
import sys, zmq
from spiral.wire import sockets
from tests.support.trajectory_messages import hello
socket = sockets.dealer(zmq.Context(), sys.argv[1])
socket.send_multipart(hello("frozen", 1))
socket.recv()
print("welcomed", flush=True)
socket.poll()
while True: socket.recv()
"""


def test_credits_of_a_frozen_actor_come_back(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # The learner's end decides how long silence lasts; the default would make this test 8 s long.
    monkeypatch.setattr(sockets, "HEARTBEAT_INTERVAL_MS", 50)
    monkeypatch.setattr(sockets, "HEARTBEAT_TIMEOUT_MS", 1000)
    with learning(address, make_admission(queue=1), heartbeat_s=0.05) as learner:
        holder = subprocess.Popen([sys.executable, "-c", HOLDER, address], stdout=subprocess.PIPE, cwd=ROOT)
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == b"welcomed\n"
            waiting = learner.client()
            assert waiting.ask(hello()).welcome.credits == 0
            holder.send_signal(signal.SIGSTOP)
            until(lambda: waiting.read().heartbeat.credits == 1, "the credit of the frozen one")
            assert learner.ingest.actors == 1
        finally:
            holder.kill()
            holder.communicate()


def test_who_did_not_say_hello_on_this_connection_is_unknown(learner: Learner) -> None:
    learner.client().ask(hello())
    assert learner.client().answer(GOOD).reason == REASON_NO_HELLO
