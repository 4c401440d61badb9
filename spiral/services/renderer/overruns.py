"""Ends work that takes too long: first the call and, if the engine does not return, the renderer."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import grpc

from spiral.engines import Canvases
from spiral.engines.interface import StoppedError
from spiral.wire.interceptor import StatusError

STUCK_S = 30.0
"""A stopped engine ends its step within ten seconds of one core; an engine that takes longer never ends it."""


class Overruns:
    """Tracks what the engine works on and since when; call :meth:`check` about every second."""

    def __init__(
        self, limit_s: float, stuck: Callable[[str], object], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Work that takes longer than ``limit_s`` is stopped; ``stuck`` is called if it does not end."""
        self._limit_s = limit_s
        self._stuck = stuck
        self._clock = clock
        self._began_s: dict[Canvases, float] = {}

    @contextmanager
    def limited(self, canvases: Canvases) -> Iterator[None]:
        """Limit the work on ``canvases``. StatusError if it is stopped: DEADLINE_EXCEEDED, or CANCELLED by others."""
        began_s = self._began_s[canvases] = self._clock()
        try:
            yield
        except StoppedError as error:
            if self._clock() - began_s > self._limit_s:
                raise StatusError(
                    grpc.StatusCode.DEADLINE_EXCEEDED,
                    f"the engine worked for more than {self._limit_s:g} s (--work-s); expected less at a time: fewer "
                    "canvases or actions, a smaller canvas or brush",
                ) from error
            raise StatusError(grpc.StatusCode.CANCELLED, "the call was ended amid a step") from error
        finally:
            del self._began_s[canvases]

    @property
    def busy(self) -> bool:
        """Whether the engine is at work."""
        return bool(self._began_s)

    def check(self) -> None:
        """Stop work that takes too long."""
        for canvases, began_s in list(self._began_s.items()):
            took_s = self._clock() - began_s
            if took_s > self._limit_s:
                canvases.stop()
            if took_s > self._limit_s + STUCK_S:
                self._stuck(f"the engine has worked on one step for {took_s:.0f} s and does not end it")
