"""Runs the services of a run from start to stop: supervises them, shows progress, and ends them in order."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

import psutil

from spiral.computing.saturation import SaturationWarnings
from spiral.launcher.data_check import DataNews
from spiral.launcher.display import Display
from spiral.launcher.health import HealthChecks
from spiral.launcher.options import Computing
from spiral.launcher.progress import ServiceProgress, Tracker
from spiral.launcher.run_directory import OpenRun
from spiral.launcher.scrape import Scraper
from spiral.launcher.service_commands import addresses, compose
from spiral.launcher.signals import StopSignals
from spiral.launcher.sockets import socket_directory
from spiral.launcher.supervision import ServiceFailedError, Supervisor, Watched
from spiral.launcher.writable import WritableCheck
from spiral.runs.limits import Limits
from spiral.serving.lag_warning import LagWarning

STEP_S = 0.25
"""Interval at which the display is drawn."""
LATE_S = 10.0
"""The learner ends the run at its limit; if it does not, the launcher does so this much later."""


def run_services(
    opened: OpenRun,
    threads: Mapping[str, int],
    limits: Limits,
    display: Display,
    stop: StopSignals,
    computing: Computing,
) -> str:
    """Run the four services until the limit or a stop signal. Returns what went wrong; empty if nothing did."""
    with socket_directory(opened.run.path) as folder, _pipe() as parent_pipe:
        health = HealthChecks(addresses(folder), time.monotonic)
        stages = compose(opened, folder, threads, limits, parent_pipe, computing)
        supervisor = Supervisor(stages, health, time.monotonic, display.say)
        tracker = Tracker(limits, opened.config.actor.groups, opened.learnt)
        checkpoint_s = opened.config.learner.checkpoint_s
        writable = WritableCheck(opened.run.path, checkpoint_s, time.monotonic, display.say)
        watch = _Watch(
            supervisor,
            health,
            limits,
            tracker,
            display,
            writable,
            DataNews(opened.run),
            LagWarning(opened.config.learner, time.monotonic),
        )
        failures = []
        try:
            supervisor.start()
            watch.until_the_end(stop)
            display.say("stopping the services; learner and discriminator write their checkpoints")
        except ServiceFailedError as failure:
            failures.append(str(failure))
        finally:
            try:
                failures.append(supervisor.stop(lambda: stop.hurry))
            finally:
                supervisor.kill()
            watch.close()
            health.close()
        return "\n".join(filter(None, failures))


class _Watch:
    """Supervises the services and shows their progress."""

    def __init__(
        self,
        supervisor: Supervisor,
        health: HealthChecks,
        limits: Limits,
        tracker: Tracker,
        display: Display,
        writable: WritableCheck,
        news: DataNews,
        lag_warning: LagWarning,
    ) -> None:
        self._writable, self._news, self._staleness = writable, news, lag_warning
        self._supervisor, self._limits, self._tracker, self._display = supervisor, limits, tracker, display
        self._scraper = Scraper(
            {watched.name: health.channel(watched.name) for watched in supervisor.services}, time.monotonic
        )
        self._saturation = SaturationWarnings()
        self._processes: dict[int, psutil.Process] = {}

    def until_the_end(self, stop: StopSignals) -> None:
        """Return at the limit or when a stop is requested; ServiceFailedError if a service can't be kept alive."""
        self._scraper.start()
        began: float | None = None
        while not stop.wait(STEP_S):
            self._supervisor.step()
            self._writable.step()
            if self._supervisor.finished:
                return
            if began is None and self._supervisor.all_serving:
                began = time.monotonic()
                self._display.say("all services are ready")
                for sentence in self._news.read():
                    self._display.say(sentence)
            seconds = 0.0 if began is None else time.monotonic() - began
            progress = self._tracker.progress(seconds, self._scraper.newest, self._services())
            self._display.show(progress)
            for sentence in self._saturation.due(progress.saturated):
                self._display.say(sentence)
            if too_old := self._staleness.seen(progress.dropped or 0, progress.trajectories or 0):
                self._display.say(too_old)
            if self._limits.seconds is not None and seconds >= self._limits.seconds + LATE_S:
                return

    def close(self) -> None:
        """Stop reading metrics."""
        self._scraper.close()

    def _services(self) -> tuple[ServiceProgress, ...]:
        return tuple(self._service(watched) for watched in self._supervisor.services)

    def _service(self, watched: Watched) -> ServiceProgress:
        cpu = memory = None
        if watched.process is not None:
            # The process may end between two questions.
            with suppress(psutil.Error):
                pid = watched.process.pid
                process = self._processes.setdefault(pid, psutil.Process(pid))
                cpu, memory = process.cpu_percent() / 100, int(process.memory_info().rss)
        return ServiceProgress(
            watched.name, watched.state.value, watched.restarts, cpu, memory, self._tracker.waits(watched.name)
        )


@contextmanager
def _pipe() -> Iterator[int]:
    """One end of a pipe, for children to inherit. Only this process has the other end, which closes when it ends."""
    read, write = os.pipe()
    try:
        yield read
    finally:
        os.close(read)
        os.close(write)
