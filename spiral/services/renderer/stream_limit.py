"""The number of open streams, and its limit."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import grpc

from spiral.wire.interceptor import StatusError

# A stream ends with its actor's episode, after seconds at most, so it is worth asking again soon.
RETRY_AFTER_MS = 1_000


class Streams:
    """Counts open streams and refuses those beyond ``limit``."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self.count = 0
        """Streams that are open now."""

    @contextmanager
    def slot(self) -> Iterator[None]:
        """A place for one stream; StatusError (RESOURCE_EXHAUSTED) if all are taken."""
        with self._lock:
            if self.count >= self._limit:
                raise StatusError(
                    grpc.StatusCode.RESOURCE_EXHAUSTED,
                    f"all {self._limit} streams of this renderer are open (--max-streams); ask again later or another",
                    RETRY_AFTER_MS,
                )
            self.count += 1
        try:
            yield
        finally:
            with self._lock:
                self.count -= 1
