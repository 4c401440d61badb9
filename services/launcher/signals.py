"""Stop requests: Ctrl-C, SIGTERM and a closed terminal, at any moment."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopSignals:
    """Within its block a stop signal sets :attr:`event`, a second one :attr:`hurry`; neither interrupts anything.

    Once :meth:`interrupt_from_now_on` was called, a signal raises KeyboardInterrupt instead: for work that is nice to
    have and leaves nothing half done.
    """

    def __init__(self) -> None:
        self.event = threading.Event()
        """Set when the run is to stop."""
        self._count = 0
        self._interrupt = False
        self._before: dict[signal.Signals, signal.Handlers] = {}

    def __enter__(self) -> StopSignals:
        self._before = {number: signal.signal(number, self._handle) for number in STOPPING}  # type: ignore[misc]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @property
    def requested(self) -> bool:
        """Whether the run is to stop."""
        return self.event.is_set()

    @property
    def hurry(self) -> bool:
        """Whether somebody has no patience left."""
        return self._count > 1

    def wait(self, seconds: float) -> bool:
        """Wait so long, or until a stop is requested; whether it is."""
        return self.event.wait(seconds)

    def interrupt_from_now_on(self) -> None:
        """Let the next signal raise KeyboardInterrupt."""
        self._interrupt = True

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self._count += 1
        self.event.set()
        if self._interrupt:
            raise KeyboardInterrupt
