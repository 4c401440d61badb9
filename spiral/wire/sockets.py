"""ZeroMQ sockets of the trajectory protocol: the learner's ROUTER, the actors' DEALER."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, Generic, Self, TypeVar

import zmq

from spiral.wire.addresses import socket_path, zmq_endpoint
from spiral.wire.curve import Keys, secure_client, secure_server
from spiral.wire.locks import SocketLock

S = TypeVar("S", bound=zmq.Socket[Any])

# One trajectory in transit and one being written. More would only age in a buffer; credits bound the rest.
TRAJECTORIES = 2
# Answers are small. A ROUTER drops messages above its high-water mark, so the mark is far above what credits allow.
ANSWERS = 1000
# If a peer answers no ping for HEARTBEAT_TIMEOUT_MS, it is gone: its connection closes and its credits end.
HEARTBEAT_INTERVAL_MS = 2_000
HEARTBEAT_TIMEOUT_MS = 6_000
# Far above any frame that a contract allows. The real limit is checked, and answered, by our own code: ZeroMQ would
# disconnect silently, and the message would be sent again forever.
MAX_FRAME_BYTES = 1 << 31
# A learner that restarts is found soon, but a dead one is not asked a hundred times a second.
RECONNECT_MS, RECONNECT_MAX_MS = 100, 2_000
# The address of a pod that is gone never answers. The kernel would try it for two minutes, but the name soon resolves
# to another address.
CONNECT_TIMEOUT_MS = 2_000


@dataclass(frozen=True, slots=True)
class Router(Generic[S]):
    """A bound ROUTER; ``address`` has the real port if port 0 was asked for."""

    socket: S
    address: str
    lock: SocketLock | None

    def close(self) -> None:
        """Close the socket, drop unsent messages and free the address."""
        self.socket.close()
        if self.lock:
            self.lock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def router(context: zmq.Context[S], address: str, keys: Keys | None = None) -> Router[S]:
    """Bind the learner's end, encrypted with ``keys`` (see :func:`~spiral.wire.curve.gatekeeper`).

    ValueError with a sentence if the address is in use or makes no sense.
    """
    endpoint, path = zmq_endpoint(address), socket_path(address)
    lock = SocketLock(path) if path else None
    socket = context.socket(zmq.ROUTER)
    _prepare(socket)
    socket.set(zmq.RCVHWM, TRAJECTORIES)
    socket.set(zmq.SNDHWM, ANSWERS)
    # An answer to an actor that is gone, or that does not read, raises instead of vanishing.
    socket.set(zmq.ROUTER_MANDATORY, 1)
    socket.set(zmq.MAXMSGSIZE, MAX_FRAME_BYTES)
    if keys is not None:
        secure_server(socket, keys)
    try:
        socket.bind(endpoint)
    except zmq.ZMQError as error:
        socket.close()
        if lock:
            lock.close()
        raise ValueError(
            f"{address}: can't be listened on ({os.strerror(error.errno or 0)}); expected a free address"
        ) from error
    port = socket.getsockopt_string(zmq.LAST_ENDPOINT).rpartition(":")[2]
    return Router(socket, address if path else f"{address.rpartition(':')[0]}:{port}", lock)


def dealer(context: zmq.Context[S], address: str, keys: Keys | None = None, monitored: int = 0) -> S:
    """Connect an actor's end, encrypted with ``keys``; returns at once and keeps connecting in the background.
    ``get_monitor_socket()`` of the result reports the ``monitored`` events from the first attempt on. ValueError if
    ``keys`` name more than one learner."""
    socket = context.socket(zmq.DEALER)
    _prepare(socket)
    socket.set(zmq.SNDHWM, TRAJECTORIES)
    socket.set(zmq.RCVHWM, ANSWERS)
    socket.set(zmq.RECONNECT_IVL, RECONNECT_MS)
    socket.set(zmq.RECONNECT_IVL_MAX, RECONNECT_MAX_MS)
    socket.set(zmq.CONNECT_TIMEOUT, CONNECT_TIMEOUT_MS)
    if keys is not None:
        secure_client(socket, keys)
    if monitored:
        socket.get_monitor_socket(monitored)
    socket.connect(zmq_endpoint(address))
    return socket


def _prepare(socket: zmq.Socket[Any]) -> None:
    socket.set(zmq.LINGER, 0)
    socket.set(zmq.IPV6, 1)
    socket.set(zmq.HEARTBEAT_IVL, HEARTBEAT_INTERVAL_MS)
    socket.set(zmq.HEARTBEAT_TIMEOUT, HEARTBEAT_TIMEOUT_MS)
    socket.set(zmq.HEARTBEAT_TTL, HEARTBEAT_TIMEOUT_MS)
