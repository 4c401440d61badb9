"""The socket around :class:`~spiral.services.actor.learner_session.LearnerSession`: a DEALER under asyncio."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import zmq.asyncio
from google.protobuf.message import DecodeError

from spiral.services.actor.learner_connection import LearnerConnection
from spiral.services.actor.learner_session import Decision, LearnerSession, Outcome
from spiral.services.actor.waiting import Waits
from spiral.v1.trajectory_pb2 import LearnerMessage
from spiral.values.trajectories import Trajectory
from spiral.values.versions import Version

TICK_S = 0.5
"""How often the state machine gets the time; well below its shortest interval."""

_log = logging.getLogger(__name__)


class TrajectorySender:
    """Sends trajectories to the learner. :meth:`run` does the work; any coroutine may call :meth:`send`.

    ``connect`` opens a new DEALER; ``settled(outcome)`` is called once for each trajectory.
    """

    def __init__(
        self,
        connect: Callable[[], zmq.asyncio.Socket],
        machine: LearnerSession,
        waits: Waits,
        settled: Callable[[Outcome], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connect = connect
        self._machine = machine
        self._waits = waits
        self._settled = settled
        self._clock = clock
        self._link: LearnerConnection | None = None
        self._departures: dict[int, asyncio.Future[None]] = {}
        self._set_aside = 0
        self._changed = asyncio.Event()
        self._sending: set[asyncio.Future[Any]] = set()

    @property
    def version(self) -> Version:
        """Newest weights that the learner has announced; 0.0 before its first message."""
        return self._machine.version

    @property
    def credits(self) -> int:
        """Credits at hand."""
        return self._machine.credits

    @asynccontextmanager
    async def credit(self) -> AsyncIterator[None]:
        """Wait for a credit and reserve it for the trajectory that is painted and sent in this block."""
        if self._machine.credits <= self._set_aside:
            with self._waits("learner", "a credit"):
                while self._machine.credits <= self._set_aside:
                    self._changed.clear()
                    await self._changed.wait()
        self._set_aside += 1
        try:
            yield
        finally:
            self._set_aside -= 1
            self._changed.set()

    async def send(self, trajectory: Trajectory, oldest: Version, newest: Version, duration_s: float) -> None:
        """Hand over a trajectory and wait until it is sent or dropped; its arrays must not change afterwards."""
        sequence, decision = self._machine.offer(trajectory, oldest, newest, duration_s, self._clock())
        departure = self._departures[sequence] = asyncio.get_running_loop().create_future()
        self._perform(decision)
        if not departure.done():
            with self._waits("learner", "a credit"):
                await departure

    async def run(self) -> None:
        """Talk to the learner forever; ContractError if the two can't work together."""
        try:
            self._link = LearnerConnection(self._connect(), self._clock)
            self._perform(self._machine.connected(self._clock()))
            while True:
                arrival = await self._link.next(TICK_S)
                if arrival is not None and arrival.kind == "end":
                    self._perform(self._machine.disconnected(self._clock()))
                elif arrival is not None:
                    self._take(arrival.frames)
                self._perform(self._machine.tick(self._clock()))
        finally:
            if self._link is not None:
                self._link.close()

    def _take(self, frames: list[bytes]) -> None:
        try:
            message = LearnerMessage.FromString(frames[0])
        except DecodeError as error:
            _log.warning("the learner sent %d bytes that are no message: %s", len(frames[0]), error)
            return
        self._perform(self._machine.receive(message, self._clock()))

    def _perform(self, decision: Decision) -> None:
        if decision.reconnect and self._link is not None:
            self._link.close()
            self._link = LearnerConnection(self._connect(), self._clock)
        self._changed.set()
        for frames in decision.messages:
            self._send(frames)
        for _, outcome in decision.outcomes:
            self._settled(outcome)
        for sequence in [s for s in self._departures if not self._machine.waits(s)]:
            departure = self._departures.pop(sequence)
            if not departure.done():  # the task that sent it may have been cancelled
                departure.set_result(None)

    def _send(self, frames: Any) -> None:
        if self._link is None:
            return
        # The socket keeps the order of its messages, so nobody needs to wait; credits bound what piles up.
        sending = self._link.send(frames)
        if isinstance(sending, asyncio.Future) and not sending.done():
            self._sending.add(sending)
            sending.add_done_callback(self._sending.discard)
