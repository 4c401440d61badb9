"""The supervisor against real child processes that crash, hang, ignore signals and leave grandchildren."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from spiral.launcher import supervision
from spiral.launcher.processes import Command, Process, describe_exit, last_lines
from spiral.launcher.supervision import Service, ServiceFailedError, State, Supervisor
from tests.support.processes import has_ended

DEADLINE_S = 30.0
SLEEPER = "import time; print('here I am', flush=True)\nwhile True: time.sleep(60)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEPER}"


class LogHealth:
    """A service counts as serving once its log has a line: a real effect of the child."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.silent: set[str] = set()

    def serving(self, name: str) -> bool | None:
        log = self.folder / f"{name}.log"
        return True if name not in self.silent and log.exists() and log.stat().st_size else None

    def forget(self, name: str) -> None:
        (self.folder / f"{name}.log").unlink(missing_ok=True)


class Clock:
    """Time that passes when the test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Bench:
    """A supervisor with its parts, stepped until something is true."""

    def __init__(self, folder: Path, **programs: str) -> None:
        self.folder, self.clock, self.health = folder, Clock(), LogHealth(folder)
        self.events: list[str] = []
        stages = [[self.service(name, program)] for name, program in programs.items()]
        self.supervisor = Supervisor(stages, self.health, self.clock, self.events.append)

    def service(self, name: str, program: str) -> Service:
        command = Command(name, [sys.executable, "-c", program], self.folder / f"{name}.log")
        return Service(command, grace_s=2.0, ends_run=name == "learner")

    def until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + DEADLINE_S
        while not condition():
            assert time.monotonic() < deadline, f"never came true; events: {self.events}"
            self.supervisor.step()
            time.sleep(0.01)

    def pass_time(self, seconds: float) -> None:
        """Let time pass in which the supervisor is at work."""
        end_s = self.clock.now + seconds
        while self.clock.now < end_s:
            self.clock.now = min(self.clock.now + supervision.PAUSED_S, end_s)
            self.supervisor.step()

    def __getitem__(self, name: str) -> supervision.Watched:
        return next(watched for watched in self.supervisor.services if watched.name == name)

    def pid(self, name: str) -> int:
        process = self[name].process
        assert process is not None
        return process.pid


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Bench]]:
    benches: list[Bench] = []

    def build(**programs: str) -> Bench:
        benches.append(Bench(tmp_path, **programs))
        benches[-1].supervisor.start()
        return benches[-1]

    yield build
    for bench in benches:
        bench.supervisor.kill()


def test_services_become_healthy_and_stop_in_order(make: Callable[..., Bench]) -> None:
    bench = make(actor=SLEEPER, learner=SLEEPER)
    bench.until(lambda: bench.supervisor.all_serving)
    pids = [bench.pid("actor"), bench.pid("learner")]
    assert bench.supervisor.stop() == ""
    assert [watched.state for watched in bench.supervisor.services] == [State.STOPPED] * 2
    assert not any(psutil.pid_exists(pid) for pid in pids)
    assert bench.events == []


def test_a_dead_service_is_restarted_after_its_delay_and_not_before(make: Callable[..., Bench]) -> None:
    bench = make(renderer=SLEEPER)
    bench.until(lambda: bench.supervisor.all_serving)
    first = bench.pid("renderer")
    psutil.Process(first).kill()
    bench.until(lambda: bench["renderer"].state is State.WAITING)
    assert "renderer was ended by SIGKILL" in bench.events[0]
    for _ in range(20):
        bench.supervisor.step()
    assert bench["renderer"].state is State.WAITING
    bench.clock.now += supervision.FIRST_DELAY_S
    bench.until(lambda: bench.supervisor.all_serving)
    assert bench.pid("renderer") != first
    assert bench["renderer"].restarts == 1


def test_a_service_that_keeps_dying_ends_the_run_with_its_last_words(make: Callable[..., Bench]) -> None:
    bench = make(renderer="import sys; print('the brush is missing', flush=True); sys.exit(3)")

    def step_with_time() -> bool:
        if bench["renderer"].state is State.WAITING:  # and while it starts, time is its own
            bench.pass_time(supervision.LONGEST_DELAY_S)
        return False

    with pytest.raises(ServiceFailedError, match=r"(?s)exited with code 3 after 5 restarts.*the brush is missing"):
        bench.until(step_with_time)
    assert bench["renderer"].restarts == supervision.MAX_RESTARTS
    delays = [event.rsplit(" in ", 1)[1] for event in bench.events]
    assert delays == ["0.5 s", "1 s", "2 s", "4 s", "8 s"]


def test_health_for_long_enough_forgives_earlier_deaths(make: Callable[..., Bench]) -> None:
    bench = make(renderer=SLEEPER)
    for _ in range(2 * supervision.MAX_RESTARTS):
        bench.until(lambda: bench.supervisor.all_serving)
        bench.pass_time(supervision.STEADY_S + 1)
        psutil.Process(bench.pid("renderer")).kill()
        bench.until(lambda: bench["renderer"].state is State.WAITING)
        bench.clock.now += supervision.LONGEST_DELAY_S
    assert bench["renderer"].restarts == 2 * supervision.MAX_RESTARTS


def test_wrong_settings_are_not_tried_again(make: Callable[..., Bench]) -> None:
    bench = make(renderer="import sys; print('size: 300 is outside', flush=True); sys.exit(2)")
    with pytest.raises(ServiceFailedError, match=r"(?s)a restart would end the same way.*size: 300 is outside"):
        bench.until(lambda: False)
    assert bench["renderer"].restarts == 0


def test_what_would_only_give_up_again_is_not_tried_again(make: Callable[..., Bench]) -> None:
    bench = make(learner="import sys; sys.exit(1)")
    watched = bench["learner"]
    watched.service = replace(watched.service, divergence=lambda: "learning has diverged")
    with pytest.raises(ServiceFailedError, match=r"^learner: learning has diverged$"):
        bench.until(lambda: False)
    assert watched.restarts == 0


def test_a_service_that_no_longer_answers_is_killed_and_restarted(make: Callable[..., Bench]) -> None:
    bench = make(renderer=SLEEPER)
    bench.until(lambda: bench.supervisor.all_serving)
    first = bench.pid("renderer")
    bench.health.silent.add("renderer")
    bench.pass_time(supervision.HUNG_S + 1)
    bench.until(lambda: bench["renderer"].state is State.WAITING)
    assert not psutil.pid_exists(first)
    assert "did not answer" in bench.events[0]


def test_time_in_which_nobody_was_looked_after_is_nobodys_silence(make: Callable[..., Bench]) -> None:
    bench = make(renderer=SLEEPER, actor="import time; time.sleep(600)")
    bench.until(lambda: bench["renderer"].state is State.SERVING)
    pids = [bench.pid("renderer"), bench.pid("actor")]
    bench.health.silent.add("renderer")
    bench.clock.now += supervision.START_S + 1
    bench.supervisor.step()
    bench.pass_time(supervision.HUNG_S - 1)
    assert [bench.pid("renderer"), bench.pid("actor")] == pids
    assert bench.events == []
    bench.pass_time(2)
    assert "renderer did not answer" in bench.events[0]


def test_a_service_that_never_gets_ready_is_killed_and_restarted(make: Callable[..., Bench]) -> None:
    bench = make(renderer="import time; time.sleep(600)")
    bench.pass_time(supervision.START_S + 1)
    bench.until(lambda: bench["renderer"].state is State.WAITING)
    assert "was not ready" in bench.events[0]


def test_the_service_that_ends_the_run_is_not_restarted(make: Callable[..., Bench]) -> None:
    bench = make(actor=SLEEPER, learner="print('the limit is reached', flush=True)")
    bench.until(lambda: bench.supervisor.finished)
    assert bench["learner"].state is State.DONE
    bench.supervisor.stop()
    assert bench["learner"].state is State.DONE


def test_what_fails_while_it_stops_is_told_with_its_last_words(make: Callable[..., Bench]) -> None:
    failing = (
        "import signal, sys\n"
        "def fail(*_): print('no last checkpoint: the disk is full', flush=True); sys.exit(1)\n"
        f"signal.signal(signal.SIGTERM, fail); {SLEEPER}"
    )
    bench = make(actor=SLEEPER, learner=failing, renderer="import sys; sys.exit(3)")
    bench.until(lambda: bench["learner"].state is State.SERVING and bench["renderer"].state is State.WAITING)
    bench.events.clear()
    failure = bench.supervisor.stop()
    assert failure.startswith("learner exited with code 1 when it was to stop")
    assert "no last checkpoint: the disk is full" in failure
    assert "renderer" not in failure
    assert bench.events == ["learner exited with code 1 when it was to stop"]


def test_what_ignores_sigterm_is_killed_after_its_grace(make: Callable[..., Bench]) -> None:
    bench = make(actor=STUBBORN)
    bench.until(lambda: bench.supervisor.all_serving)
    pid = bench.pid("actor")
    bench.supervisor.stop()
    assert not psutil.pid_exists(pid)
    assert "did not stop in time" in bench.events[0]


def test_hurry_cuts_the_grace_short(make: Callable[..., Bench]) -> None:
    bench = make(actor=STUBBORN)
    bench.until(lambda: bench.supervisor.all_serving)
    bench.supervisor.stop(hurry=lambda: True)
    assert not psutil.pid_exists(bench.pid("actor"))


def test_grandchildren_end_with_the_service(make: Callable[..., Bench]) -> None:
    program = (
        f"import subprocess, sys, time; c = subprocess.Popen([sys.executable, '-c', {SLEEPER!r}]); time.sleep(600)"
    )
    bench = make(actor=program)
    bench.until(lambda: bench.supervisor.all_serving)
    (grandchild,) = psutil.Process(bench.pid("actor")).children()
    bench.supervisor.stop()
    deadline = time.monotonic() + DEADLINE_S
    while not has_ended(grandchild):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_child_has_its_own_session_and_inherits_only_what_it_is_given(tmp_path: Path) -> None:
    program = "import os, sys; print(os.getsid(0) == os.getpid(), sorted(os.listdir('/proc/self/fd'), key=int))"
    with (tmp_path / "given").open("w") as given, (tmp_path / "kept").open("w") as kept:
        process = Process(Command("x", [sys.executable, "-c", program], tmp_path / "log", inherit=[given.fileno()]))
        assert process.wait(DEADLINE_S)
        text = (tmp_path / "log").read_text()
        assert text.startswith("True")
        assert f"'{given.fileno()}'" in text
        assert f"'{kept.fileno()}'" not in text


def test_a_child_with_a_niceness_stands_back(tmp_path: Path) -> None:
    own = psutil.Process().nice()
    for niceness in (0, 1):
        process = Process(Command("x", [sys.executable, "-c", SLEEPER], tmp_path / "log", niceness=niceness))
        try:
            assert psutil.Process(process.pid).nice() == min(own + niceness, 19)
        finally:
            process.kill()


def test_exit_codes_in_words() -> None:
    assert describe_exit(-9) == "was ended by SIGKILL"
    assert describe_exit(3) == "exited with code 3"


def test_last_lines_of_a_long_log_are_its_end(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("".join(f"line {number}\n" for number in range(100_000)))
    assert last_lines(tmp_path / "log", 2) == "  line 99998\n  line 99999"
    assert "No such file" in last_lines(tmp_path / "none")
