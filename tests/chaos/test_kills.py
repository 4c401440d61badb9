"""Services that are killed or frozen in the middle of a run: it goes on by itself, and nothing goes back."""

from __future__ import annotations

import itertools
import random
import re
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack

import grpc
import psutil
import pytest

from spiral.runs.checkpoints import read_latest
from spiral.v1 import info_pb2, info_pb2_grpc
from spiral.values.versions import Version
from spiral.wire import rpc
from spiral.wire.edges import SERVICES
from tests.support.launched import PLAIN, Launched

pytestmark = pytest.mark.timeout(900)


class Listener:
    """Asks services again and again which weights they have, and keeps every answer."""

    def __init__(self, addresses: Mapping[str, str]) -> None:
        self.heard: dict[str, list[Version]] = {name: [] for name in addresses}
        self._addresses = addresses
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def _listen(self) -> None:
        with ExitStack() as stack:
            stubs = {
                name: info_pb2_grpc.InfoServiceStub(stack.enter_context(rpc.connect(address)))
                for name, address in self._addresses.items()
            }
            while not self._done.wait(0.05):
                for name, stub in stubs.items():
                    try:
                        version = stub.GetInfo(info_pb2.GetInfoRequest(), timeout=1.0).version
                    except grpc.RpcError:
                        continue
                    if version.generation:  # 0: it has just begun and has no weights yet
                        self.heard[name].append(Version(version.generation, version.number))

    def newest(self) -> dict[str, Version]:
        return {name: versions[-1] if versions else Version() for name, versions in self.heard.items()}

    def assert_nothing_went_back(self) -> None:
        for name, versions in self.heard.items():
            falls = [(a, b) for a, b in itertools.pairwise(versions) if b < a]
            assert falls == [], f"{name} told of older weights than before"

    def close(self) -> None:
        self._done.set()
        self._thread.join()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launched]:
    launched = Launched(tmp_path_factory.mktemp("chaos") / "runs", PLAIN)
    try:
        launched.until_painting()
        yield launched
    finally:
        launched.end()


@pytest.fixture(scope="module")
def listener(run: Launched) -> Iterator[Listener]:
    listener = Listener({name: address_of(run, name) for name in ("learner", "actor")})
    try:
        run.until(lambda: all(new > Version() for new in listener.newest().values()), "weights of learner and actor")
        yield listener
    finally:
        listener.close()


def address_of(run: Launched, service: str) -> str:
    (listen,) = (word for word in run.services()[service].cmdline() if word.startswith("--listen="))
    return listen.removeprefix("--listen=")


def pids(run: Launched) -> dict[str, int]:
    """Process by service, as seen in one look: in the next a service may be gone."""
    return {name: process.pid for name, process in run.services().items()}


def generation(run: Launched, service: str) -> int:
    return int((run.run.checkpoints(service) / "generation").read_text())


def updates_on_disk(run: Launched) -> int:
    """Updates in the learner's newest checkpoint; 0: there is none yet, or of a learner that had learned nothing."""
    checkpoint = read_latest(run.run.checkpoints("learner"))
    return int(checkpoint.state.counters["updates"]) if checkpoint else 0


def updates_resumed(run: Launched) -> dict[int, int]:
    """Generation of the learner → updates with which it began, as its log says."""
    text = (run.run.logs / "learner.log").read_text()
    found = re.findall(r"generation (\d+), resumed \S+: [\d,]+ frames, ([\d,]+) updates", text)
    return {int(generation): int(updates.replace(",", "")) for generation, updates in found}


def updates_by_generation(run: Launched) -> list[int]:
    return [int(record["updates"]) for record in run.run.history()]


def checkpoint_exists(run: Launched) -> bool:
    return all(any(run.run.checkpoints(service).glob("checkpoint-*")) for service in ("learner", "discriminator"))


def kill_and_recover(run: Launched, listener: Listener, service: str) -> None:
    """Kill a service, wait until all learn again, and hold what happened to what is promised."""
    run.until(lambda: checkpoint_exists(run) and updates_on_disk(run) > 0, "a checkpoint of both")
    before, versions = run.frames(), listener.newest()
    victim = run.services()[service]
    others = {name: pid for name, pid in pids(run).items() if name != service}
    born = {name: generation(run, name) for name in ("learner", "discriminator")}
    saved = updates_on_disk(run)
    victim.kill()
    run.until(lambda: pids(run).get(service, victim.pid) != victim.pid, f"another {service}")
    lines = len(run.run.history())
    run.until(lambda: len(run.run.history()) >= lines + 2, "two more records of the learning curve")
    run.until_frames(before + 1)
    assert {name: pid for name, pid in pids(run).items() if name != service} == others, "the others stay as they are"
    for name, number in born.items():
        assert generation(run, name) == number + (name == service)
    if service == "learner":
        assert updates_resumed(run)[born["learner"] + 1] >= saved, "it resumed from the newest checkpoint there was"
    now = generation(run, "learner")

    def newer() -> bool:
        newest = listener.newest()
        return all(new.generation == now and new > versions[name] for name, new in newest.items())

    run.until(newer, "newer weights at both")
    listener.assert_nothing_went_back()


@pytest.mark.parametrize("service", SERVICES)
def test_a_killed_service_is_replaced_and_learning_goes_on(run: Launched, listener: Listener, service: str) -> None:
    kill_and_recover(run, listener, service)
    assert f"{service} was ended by SIGKILL" in " ".join(run.objects("event"))


def test_updates_went_back_at_most_once_and_not_past_a_checkpoint(run: Launched) -> None:
    updates = updates_by_generation(run)
    falls = [(a, b) for a, b in itertools.pairwise(updates) if b < a]
    assert len(falls) <= 1, "only the learner's death may cost updates"
    assert all(b > 0 for _, b in falls), "it resumed from a checkpoint"


@pytest.mark.slow
def test_a_frozen_renderer_holds_painting_up_but_ends_nothing(run: Launched) -> None:
    run.until(lambda: len(run.services()) == len(SERVICES), "four services")
    renderer = run.services()["renderer"]
    log = run.run.logs / "actor.log"
    heard = len(log.read_text())
    renderer.send_signal(signal.SIGSTOP)
    try:
        run.until(lambda: "renderer" in log.read_text()[heard:], "the actor to say whom it waits for")
    finally:
        renderer.send_signal(signal.SIGCONT)
    frames = run.frames()
    run.until_frames(frames + 1000)


@pytest.mark.slow
def test_kills_again_and_again_in_any_order(run: Launched, listener: Listener) -> None:
    order = random.Random(0)
    for _ in range(2):  # fewer in a row than those after which the launcher gives a service up
        for service in order.sample(SERVICES, len(SERVICES)):
            kill_and_recover(run, listener, service)


@pytest.mark.slow
def test_a_renderer_that_stays_frozen_is_replaced(run: Launched) -> None:
    renderer = run.services()["renderer"]
    renderer.send_signal(signal.SIGSTOP)
    run.until(lambda: not psutil.pid_exists(renderer.pid), "the frozen renderer to be killed")
    frames = run.frames()
    run.until_frames(frames + 1000)
    assert "renderer did not answer" in " ".join(run.objects("event"))
