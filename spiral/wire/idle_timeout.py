"""A limit to the silence of a streaming client, so that a client that hangs does not hold a place forever."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Generator, Iterator
from typing import TypeVar

import grpc

T = TypeVar("T")

_log = logging.getLogger(__name__)


def within(
    requests: Iterator[T], limit_s: float, context: grpc.ServicerContext, expired: Callable[[], object]
) -> Generator[T]:
    """The requests of a call; if no request comes for ``limit_s`` seconds, the call is ended with CANCELLED.

    ``expired`` is then called, on another thread. The limit holds until the generator is exhausted or closed::

        with closing(within(request_iterator, 120.0, context, count)) as requests:
            for request in requests: ...
    """
    end: Callable[[], object] = context.cancel
    heard_s = time.monotonic()
    left = threading.Event()

    def watch() -> None:
        while (remaining_s := heard_s + limit_s - time.monotonic()) > 0:
            if left.wait(remaining_s):
                return
        _log.warning("ended a call whose caller was silent for %g s", limit_s)
        expired()
        end()

    threading.Thread(target=watch, name="idle", daemon=True).start()
    try:
        for request in requests:
            heard_s = time.monotonic()
            yield request
    finally:
        left.set()
