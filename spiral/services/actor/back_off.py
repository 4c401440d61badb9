"""When to retry what failed: how long to wait first, and not at all if the task should end."""

from __future__ import annotations

import asyncio
import random

import grpc

FIRST_S, LONGEST_S = 0.1, 5.0
"""A service that restarts on this machine is back within a second; one that stays away is asked less often."""
REFUSED = (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.FAILED_PRECONDITION)
"""The peer can't accept this request; asking again would change nothing."""


class BackOff:
    """Doubling delays with jitter, so that many clients of one lost peer don't come back all at once."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._delay_s = FIRST_S

    def reset(self) -> None:
        """Call this after a success: the next wait is short again."""
        self._delay_s = FIRST_S

    def next_s(self) -> float:
        """Seconds to wait now; the next wait is twice as long, up to a limit."""
        delay_s, self._delay_s = self._delay_s, min(2 * self._delay_s, LONGEST_S)
        return delay_s * self._rng.uniform(0.75, 1.25)


def end_if_cancelled() -> None:
    """Raise CancelledError if the task should end. Call this first when a call fails.

    If a task is cancelled at the moment when the call that it awaits fails by itself, gRPC swallows the cancellation
    and reports only the failure. A loop that then retried would go on forever.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
