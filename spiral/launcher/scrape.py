"""Reads what the services publish about themselves: GetInfo, and the metrics page that it names.

Prometheus reads the same page. There is no second channel for progress that could disagree.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.client import HTTPException
from urllib.request import ProxyHandler, build_opener

import grpc

from spiral.serving.metrics_page import Page, parse_page
from spiral.v1 import info_pb2, info_pb2_grpc

EVERY_S = 1.0
"""Interval of readings, often enough for a display that people watch."""
ANSWER_S = 2.0
"""Longest wait for an answer; a later one is left out."""


@dataclass(frozen=True, slots=True)
class ScrapedService:
    """What one service publishes about itself."""

    page: Page = field(default_factory=Page)
    version: str = ""
    """Version of its weights; empty if it has none."""
    waiting_for: tuple[str, ...] = ()
    """The services that it waits for now."""


@dataclass(frozen=True, slots=True)
class Scrape:
    """The newest answers of all services; those that never answered are left out."""

    at_s: float = 0.0
    """Time of the reading by the scraper's clock, seconds."""
    by_service: Mapping[str, ScrapedService] = field(default_factory=dict)


def read(channel: grpc.Channel) -> ScrapedService | None:
    """Ask one service; None if it does not answer in time."""
    try:
        info = info_pb2_grpc.InfoServiceStub(channel).GetInfo(info_pb2.GetInfoRequest(), timeout=ANSWER_S)
        page = Page()
        if info.metrics_url:
            # Never through a proxy from the environment, which can't reach this machine's own addresses.
            with build_opener(ProxyHandler({})).open(info.metrics_url, timeout=ANSWER_S) as answer:
                page = parse_page(answer.read().decode())
    except (grpc.RpcError, OSError, ValueError, HTTPException):
        return None
    version = f"{info.version.generation}.{info.version.number}" if info.HasField("version") else ""
    return ScrapedService(page, version, tuple(info.waiting_for))


class Scraper:
    """Reads all services continually in its own thread, so that a slow one delays nothing else."""

    def __init__(self, channels: Mapping[str, grpc.Channel], clock: Callable[[], float]) -> None:
        self._channels = channels
        self._clock = clock
        self.newest = Scrape()
        """The newest answers; replaced as a whole."""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="scraper", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def close(self) -> None:
        """End, at most after the pending answer."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(EVERY_S):
            # The last answer of a service is kept while it is away.
            began_s, answers = self._clock(), dict(self.newest.by_service)
            for name, channel in self._channels.items():
                if self._stop.is_set():
                    return
                answer = read(channel)
                if answer is not None:
                    answers[name] = answer
            self.newest = Scrape(began_s, answers)
