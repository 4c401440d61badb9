"""Stop requests at any moment: Ctrl-C, SIGTERM and a closed terminal."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopSignals:
    """Within its block a stop signal sets :attr:`event`, and a second one :attr:`hurry`; neither interrupts anything.

    SIGHUP never counts as the second signal: kernel, shell and session manager each send one. If it is ignored, as
    under ``nohup``, it stays ignored. Within :meth:`interruptible` signals raise KeyboardInterrupt; use it for optional
    work that leaves nothing half done.
    """

    def __init__(self) -> None:
        self.event = threading.Event()
        """Set when the run should stop."""
        self.numbers: list[int] = []
        """The signals so far, except SIGHUP."""
        self.hung_up = False
        """Whether the terminal was closed, so that nobody sees the output."""
        self.interrupted: int | None = None
        """The signal that raised KeyboardInterrupt."""
        self._patience: int | None = None
        self._at_once = False
        self._before: dict[int, signal.Handlers] = {}
        self._terminals: list[int] = []

    def __enter__(self) -> StopSignals:
        self._terminals = [number for number in range(3) if os.isatty(number)]
        for number in STOPPING:
            if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._handle)  # type: ignore[assignment]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @property
    def requested(self) -> bool:
        """Whether the run should stop."""
        return self.event.is_set()

    @property
    def hurry(self) -> bool:
        """Whether a second signal asked to stop at once."""
        return len(self.numbers) > 1

    def wait(self, seconds: float) -> bool:
        """Wait ``seconds``, or until a stop is requested. Returns whether it is."""
        return self.event.wait(seconds)

    @contextmanager
    def interruptible(self, patience: int, seconds: float = 0.0) -> Iterator[None]:
        """Raise KeyboardInterrupt at each signal after ``patience`` more, and after ``seconds`` if they are not 0."""
        self._patience, self._at_once = patience, patience == 0
        before = signal.signal(signal.SIGALRM, self._late)
        signal.setitimer(signal.ITIMER_REAL, seconds)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
            self._patience, self._at_once = None, False

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.event.set()
        if number == signal.SIGHUP:
            self.hung_up = True
            self._leave_terminals()
            if self._at_once:
                raise KeyboardInterrupt
            return
        self.numbers.append(number)
        if self._patience == 0:
            self.interrupted = number
            raise KeyboardInterrupt
        if self._patience is not None:
            self._patience -= 1

    def _late(self, number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    def _leave_terminals(self) -> None:
        """Discard output from now on: writing to a closed terminal fails, which would end the run in the middle."""
        nowhere = os.open(os.devnull, os.O_RDWR)
        for terminal in self._terminals:
            os.dup2(nowhere, terminal)
        os.close(nowhere)
