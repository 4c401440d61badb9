"""Services that are killed or frozen in the middle of a run: it goes on by itself, and nothing goes back."""

from __future__ import annotations

import itertools
import signal
from collections.abc import Iterator

import psutil
import pytest

from spiral.wire.edges import SERVICES
from tests.launched import Launched

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launched]:
    launched = Launched(tmp_path_factory.mktemp("chaos") / "runs")
    try:
        launched.until_painting()
        yield launched
    finally:
        launched.end()


def generation(run: Launched, service: str) -> int:
    return int((run.run.checkpoints(service) / "generation").read_text())


def updates_by_generation(run: Launched) -> list[int]:
    return [int(record["updates"]) for record in run.run.history()]


def checkpoint_exists(run: Launched) -> bool:
    return all(any(run.run.checkpoints(service).glob("checkpoint-*")) for service in ("learner", "discriminator"))


@pytest.mark.parametrize("service", SERVICES)
def test_a_killed_service_is_replaced_and_learning_goes_on(run: Launched, service: str) -> None:
    run.until(lambda: checkpoint_exists(run), "a checkpoint of both")
    before = run.frames()
    victim = run.services()[service]
    others = {name: process.pid for name, process in run.services().items() if name != service}
    born = {name: generation(run, name) for name in ("learner", "discriminator")}
    victim.kill()
    run.until(lambda: service in run.services() and run.services()[service].pid != victim.pid, f"another {service}")
    lines = len(run.run.history())
    run.until(lambda: len(run.run.history()) >= lines + 2, "two more records of the learning curve")
    run.until_frames(before + 1)
    assert {name: run.services()[name].pid for name in others} == others, "the others stay as they are"
    for name, number in born.items():
        assert generation(run, name) == number + (name == service)
    assert f"{service} was ended by SIGKILL" in " ".join(run.objects("event"))


def test_updates_went_back_at_most_once_and_not_past_a_checkpoint(run: Launched) -> None:
    updates = updates_by_generation(run)
    falls = [(a, b) for a, b in itertools.pairwise(updates) if b < a]
    assert len(falls) <= 1, "only the learner's death may cost updates"
    assert all(b > 0 for _, b in falls), "it resumed from a checkpoint"


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
def test_a_renderer_that_stays_frozen_is_replaced(run: Launched) -> None:
    renderer = run.services()["renderer"]
    renderer.send_signal(signal.SIGSTOP)
    run.until(lambda: not psutil.pid_exists(renderer.pid), "the frozen renderer to be killed")
    frames = run.frames()
    run.until_frames(frames + 1000)
    assert "renderer did not answer" in " ".join(run.objects("event"))
