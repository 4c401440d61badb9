"""Keeps the services of a run alive: starts them, restarts a service that dies, and gives up on one that keeps dying.

Each service is in one of these states::

    STARTING ──health says SERVING──▶ SERVING ──process ends, or no answer for HUNG_S──▶ WAITING (back-off)
        ▲  └──process ends, or START_S pass──▶ WAITING                                      │
        └───────────────────────────────────────────────────────────────────────────────────┘

:meth:`Supervisor.step` makes the transitions that are due and never blocks.
"""

from __future__ import annotations

import enum
import signal
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from spiral.launcher.processes import Command, Process, describe_exit, last_lines

START_S = 180.0
"""Longest time to start: importing torch from a cold disk on a busy machine has taken most of a minute."""
HUNG_S = 30.0
"""A health check takes milliseconds; if a service is silent for this long, all its threads are stuck."""
PAUSED_S = 5.0
"""Steps come several times a second; a gap this long means that this process, or the machine, stood still."""
STEADY_S = 30.0
"""A service that has been healthy for this long is past the fault that ended it before."""
FIRST_DELAY_S, LONGEST_DELAY_S = 0.5, 10.0
"""The back-off doubles between these: an accident gets an instant restart; a lasting fault can't load the machine."""
MAX_RESTARTS = 5
"""Restarts in a row; with the back-off above they take about a quarter of a minute."""
EXIT_USAGE = 2
"""Exit code of a service that refuses its options, settings or checkpoints: another start would change nothing."""
FINE_AT_STOP = (0, -signal.SIGTERM)
"""Exit codes after SIGTERM; the second is that of a service too young to have a signal handler."""


class ServiceFailedError(Exception):
    """A service can't be kept alive; the text says which one, why, and the end of its log."""


class State(enum.Enum):
    """What a service is doing, as far as the supervisor knows."""

    STARTING = "starting"
    SERVING = "serving"
    WAITING = "waiting to restart"
    DONE = "done"
    STOPPED = "stopped"


class Health(Protocol):
    """Says whether services answer; never blocks."""

    def serving(self, name: str) -> bool | None:
        """The newest answer since the last call: True for SERVING, False for anything else, None for no news."""
        ...

    def forget(self, name: str) -> None:
        """Forget the answers of a service, because another process now has its name."""
        ...


@dataclass(frozen=True, slots=True)
class Service:
    """A service to be kept alive."""

    command: Command
    grace_s: float = 10.0
    """Seconds between SIGTERM and SIGKILL."""
    ends_run: bool = False
    """Whether its exit with code 0 means that the run has reached its limit."""
    divergence: Callable[[], str] = str
    """The sentence with which it would end again if it were restarted; empty: none."""

    @property
    def name(self) -> str:
        """The service's name."""
        return self.command.name


@dataclass(slots=True)
class Watched:
    """A service and its state."""

    service: Service
    state: State = State.STOPPED
    process: Process | None = None
    since_s: float = 0.0
    """Time when the state began."""
    answered_s: float = 0.0
    """Time of the last answer to a health check."""
    delay_s: float = 0.0
    restarts: int = 0
    """Number of restarts in total."""
    restarts_in_a_row: int = 0

    @property
    def name(self) -> str:
        """The service's name."""
        return self.service.name


class Supervisor:
    """Runs services and keeps them running.

    ``stages`` lists the services in the order in which they stop; those of one stage stop together. ``notify`` gets a
    sentence about every restart. ``clock`` returns seconds that never go back.
    """

    def __init__(
        self,
        stages: Sequence[Iterable[Service]],
        health: Health,
        clock: Callable[[], float],
        notify: Callable[[str], None],
    ) -> None:
        self._stages = [[Watched(service) for service in stage] for stage in stages]
        self._health = health
        self._clock = clock
        self._notify = notify
        self._stepped_s = clock()

    @property
    def services(self) -> list[Watched]:
        """All services, in the order in which they stop."""
        return [watched for stage in self._stages for watched in stage]

    @property
    def all_serving(self) -> bool:
        """Whether every service answers."""
        return all(watched.state is State.SERVING for watched in self.services)

    @property
    def finished(self) -> bool:
        """Whether a service that ends the run has done so."""
        return any(watched.state is State.DONE for watched in self.services)

    def start(self) -> None:
        """Start every service; no start waits for another."""
        self._stepped_s = self._clock()
        for watched in self.services:
            self._launch(watched)

    def step(self) -> None:
        """Check every service once. ServiceFailedError if one can't be kept alive."""
        now, before_s = self._clock(), self._stepped_s
        self._stepped_s = now
        if now - before_s > PAUSED_S:
            # This process did not listen during the gap, so silence in it is no service's fault.
            for watched in self.services:
                if watched.state in (State.STARTING, State.SERVING):
                    watched.since_s = watched.answered_s = now
        for watched in self.services:
            self._look_after(watched)

    def stop(self, hurry: Callable[[], bool] = lambda: False) -> str:
        """Stop all services, stage by stage. A service that outlives its grace period, or ``hurry``, is killed.

        Returns what went wrong in services that ended by themselves, for example a last checkpoint that could not be
        written; empty if nothing did.
        """
        failures = []
        for stage in self._stages:
            running = {w.name: w.process for w in stage if w.process and w.process.exit_code() is None}
            for process in running.values():
                process.terminate()
            for watched in stage:
                if watched.name in running:
                    process = running[watched.name]
                    if not process.wait(watched.service.grace_s, hurry):
                        self._notify(f"{watched.name} did not stop in time and was killed")
                    elif (code := process.exit_code() or 0) not in FINE_AT_STOP:
                        why = f"{describe_exit(code)} when it was to stop"
                        self._notify(f"{watched.name} {why}")
                        failures.append(self._last_words(watched, why))
                if watched.process:
                    watched.process.kill()
                if watched.state is not State.DONE:
                    self._enter(watched, State.STOPPED)
        return "\n".join(failures)

    def kill(self) -> None:
        """End all services at once, in any order, for a launcher that is itself in trouble."""
        for watched in self.services:
            if watched.process:
                watched.process.kill()

    def _launch(self, watched: Watched) -> None:
        self._health.forget(watched.name)
        watched.process = Process(watched.service.command)
        self._enter(watched, State.STARTING)

    def _enter(self, watched: Watched, state: State) -> None:
        watched.state = state
        watched.since_s = self._clock()

    def _look_after(self, watched: Watched) -> None:
        now = self._clock()
        in_state_s = now - watched.since_s
        if watched.state is State.WAITING:
            if in_state_s >= watched.delay_s:
                self._launch(watched)
            return
        if watched.process is None or watched.state in (State.DONE, State.STOPPED):
            return
        code = watched.process.exit_code()
        if code is not None:
            self._ended(watched, code)
            return
        answer = self._health.serving(watched.name)
        if answer is not None:
            watched.answered_s = now
        if watched.state is State.STARTING:
            if answer:
                self._enter(watched, State.SERVING)
            elif in_state_s > START_S:
                watched.process.kill()
                self._restart(watched, f"was not ready after {START_S:.0f} s and was killed")
        elif in_state_s > STEADY_S:
            watched.restarts_in_a_row = 0
        if watched.state is State.SERVING and now - watched.answered_s > HUNG_S:
            watched.process.kill()
            self._restart(watched, f"did not answer for {HUNG_S:.0f} s and was killed")

    def _ended(self, watched: Watched, code: int) -> None:
        if watched.process:
            watched.process.kill()
        if code == 0 and watched.service.ends_run:
            self._enter(watched, State.DONE)
        elif sentence := watched.service.divergence():
            raise ServiceFailedError(f"{watched.name}: {sentence}")
        elif code == EXIT_USAGE:
            why = f"{describe_exit(code)}: a restart would end the same way"
            raise ServiceFailedError(self._last_words(watched, why))
        else:
            self._restart(watched, describe_exit(code))

    def _restart(self, watched: Watched, why: str) -> None:
        if watched.restarts_in_a_row >= MAX_RESTARTS:
            raise ServiceFailedError(self._last_words(watched, f"{why} after {MAX_RESTARTS} restarts in a row"))
        watched.delay_s = min(FIRST_DELAY_S * 2**watched.restarts_in_a_row, LONGEST_DELAY_S)
        watched.restarts += 1
        watched.restarts_in_a_row += 1
        self._enter(watched, State.WAITING)
        self._notify(f"{watched.name} {why}; it starts again in {watched.delay_s:g} s")

    def _last_words(self, watched: Watched, why: str) -> str:
        log = watched.service.command.log
        return f"{watched.name} {why}; the end of {log}:\n{last_lines(log)}"
