"""A connection to the learner, and word of its end: ZeroMQ connects again in silence, but the credits are gone."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

import zmq
import zmq.asyncio
from zmq.utils.monitor import parse_monitor_message

COMPLAINT_INTERVAL_S = 10.0
"""ZeroMQ tries ten times a second, which is no reason to say so as often."""
REFUSALS = {
    zmq.EVENT_HANDSHAKE_FAILED_AUTH: "it does not believe this actor's key: its public one belongs among the learner's "
    "curve_peers",
    zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL: "one of the two encrypts and the other does not: give both the curve options, "
    "or neither",
    zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL: "it hung up at the start: it ended just now, or curve_peers has not its "
    "public key, or it does not encrypt",
}
EVENTS = zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED | sum(REFUSALS)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Received:
    """What came over a link."""

    kind: Literal["message", "end"]
    """``end``: the connection was there and is no more."""
    frames: list[bytes]


class LearnerConnection:
    """A DEALER that was opened with EVENTS monitored, and its monitor. Nothing is left open after :meth:`close`."""

    def __init__(self, socket: zmq.asyncio.Socket, clock: Callable[[], float]) -> None:
        self._socket = socket
        self._monitor = socket.get_monitor_socket()
        self._clock = clock
        self._there = False
        """Whether the two have shaken hands; the end of what never was is none."""
        self._complained_at = -COMPLAINT_INTERVAL_S
        self._poller = zmq.asyncio.Poller()
        self._poller.register(socket, zmq.POLLIN)
        self._poller.register(self._monitor, zmq.POLLIN)

    async def next(self, timeout_s: float) -> Received | None:
        """The next thing to come, or None after ``timeout_s`` or less; what was sent before the end comes before it."""
        ready = dict(await self._poller.poll(int(timeout_s * 1000)))
        if self._socket in ready:
            return Received("message", await self._socket.recv_multipart())
        if self._monitor in ready and self._has_ended(await self._monitor.recv_multipart()):
            return Received("end", [])
        return None

    def send(self, frames: list[bytes | memoryview]) -> Awaitable[object]:
        """Send a message; its bytes must not change until the future is done."""
        return self._socket.send_multipart(frames, copy=False)

    def close(self) -> None:
        """End the connection and drop what was not sent."""
        self._socket.disable_monitor()
        self._monitor.close(linger=0)
        self._socket.close(linger=0)

    def _has_ended(self, message: list[bytes]) -> bool:
        event = parse_monitor_message(message)["event"]
        was_there, self._there = self._there, event == zmq.EVENT_HANDSHAKE_SUCCEEDED
        if event in REFUSALS and self._clock() - self._complained_at >= COMPLAINT_INTERVAL_S:
            self._complained_at = self._clock()
            _log.warning("no connection to the learner: %s", REFUSALS[zmq.Event(event)])
        return was_there and event == zmq.EVENT_DISCONNECTED
