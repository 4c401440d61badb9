"""When to try again what failed: how long to wait before, and not at all where the task is to end."""

from __future__ import annotations

import asyncio
import random

import grpc

FIRST_S, LONGEST_S = 0.1, 5.0
"""A service that restarts on this machine is back within a second; one that stays away is not asked in a hurry."""
REFUSED = (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.FAILED_PRECONDITION)
"""The peer can't take this request: asking again would change nothing."""


class BackOff:
    """Doubling delays with jitter, so that many who lost one peer don't come back all at once."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._delay_s = FIRST_S

    def reset(self) -> None:
        """It worked: the next wait is a short one again."""
        self._delay_s = FIRST_S

    def next_s(self) -> float:
        """Seconds to wait now; the next wait is twice as long, up to a limit."""
        delay_s, self._delay_s = self._delay_s, min(2 * self._delay_s, LONGEST_S)
        return delay_s * self._rng.uniform(0.75, 1.25)


def end_if_cancelled() -> None:
    """Raise CancelledError if the task is to end; first thing to do with the error of a call.

    gRPC swallows the cancellation of a task that awaits a call in the moment in which the call fails of itself, and
    reports the failure alone. Who then tried again would go on forever.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
