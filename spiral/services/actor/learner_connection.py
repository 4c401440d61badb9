"""A connection to the learner that reports its end: ZeroMQ reconnects silently, but the credits are gone."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

import zmq
import zmq.asyncio
from zmq.utils.monitor import parse_monitor_message

from spiral.services.actor.repeated_failure import RepeatedFailure

REFUSALS = {
    zmq.EVENT_HANDSHAKE_FAILED_AUTH: "it does not trust this actor's key; add the public key to the learner's "
    "curve_peers",
    zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL: "one of the two encrypts and the other does not; give the curve options to "
    "both, or to neither",
    zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL: "it hung up at the start: it has just ended, or curve_peers lacks its "
    "public key, or it does not encrypt",
}
EVENTS = zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED | sum(REFUSALS)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Received:
    """What arrived over a connection."""

    kind: Literal["message", "end"]
    """``end``: the connection had been established and is gone."""
    frames: list[bytes]


class LearnerConnection:
    """A DEALER opened with EVENTS monitored, and its monitor. :meth:`close` leaves nothing open."""

    def __init__(self, socket: zmq.asyncio.Socket, clock: Callable[[], float]) -> None:
        self._socket = socket
        self._monitor = socket.get_monitor_socket()
        self._clock = clock
        self._there = False
        """Whether the handshake is done; a connection that never was established can't end."""
        self._refused = RepeatedFailure()
        """ZeroMQ tries ten times a second; the log does not need a line for each attempt."""
        self._poller = zmq.asyncio.Poller()
        self._poller.register(socket, zmq.POLLIN)
        self._poller.register(self._monitor, zmq.POLLIN)

    async def next(self, timeout_s: float) -> Received | None:
        """The next arrival, or None after at most ``timeout_s``; messages sent before the end arrive before it."""
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
        """Close the connection and drop unsent messages."""
        self._socket.disable_monitor()
        self._monitor.close(linger=0)
        self._socket.close(linger=0)

    def _has_ended(self, message: list[bytes]) -> bool:
        event = parse_monitor_message(message)["event"]
        was_there, self._there = self._there, event == zmq.EVENT_HANDSHAKE_SUCCEEDED
        if event in REFUSALS and (times := self._refused.failed(self._clock())) is not None:
            _log.warning("no connection to the learner: %s%s", REFUSALS[zmq.Event(event)], times)
        return was_there and event == zmq.EVENT_DISCONNECTED
