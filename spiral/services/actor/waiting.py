"""Which services the actor waits for: waits are counted, shown in GetInfo, and logged if they take long."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from spiral.wire.edges import Service

LOG_AFTER_S, LONGEST_S = 10.0, 60.0
"""A wait this long gets a line in the log, and another one whenever it has doubled or lasted a minute longer."""

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Wait:
    peer: Service
    what: str
    since: float
    counted_until: float
    due_at: float
    """When the next line about it is due."""


class Waits:
    """All waits in progress::

        with waits("renderer", "a stream"):
            stream = await renderers.open()

    ``count(peer, seconds)`` receives all time waited; ``tell(peer)`` is a context that lasts as long as the wait.
    """

    def __init__(
        self,
        count: Callable[[Service, float], None],
        tell: Callable[[Service], AbstractContextManager[None]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._count = count
        self._tell = tell
        self._clock = clock
        self._waits: dict[int, _Wait] = {}
        self._next = 0

    @contextmanager
    def __call__(self, peer: Service, what: str) -> Iterator[None]:
        """Wait for ``what`` from ``peer`` within this block."""
        self._next += 1
        key, now = self._next, self._clock()
        self._waits[key] = _Wait(peer, what, now, now, now + LOG_AFTER_S)
        try:
            with self._tell(peer):
                yield
        finally:
            wait = self._waits.pop(key)
            self._count(peer, self._clock() - wait.counted_until)

    def report(self) -> None:
        """Count the time that waits in progress have taken so far, and log the long ones, one line per peer."""
        now = self._clock()
        told = set()
        for wait in self._waits.values():
            self._count(wait.peer, now - wait.counted_until)
            wait.counted_until = now
            if now >= wait.due_at:
                wait.due_at = now + min(now - wait.since, LONGEST_S)
                if wait.peer not in told:
                    told.add(wait.peer)
                    _log.warning("waiting for the %s (%s) for %.0f s", wait.peer, wait.what, now - wait.since)
