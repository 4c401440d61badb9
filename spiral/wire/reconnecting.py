"""Channels that are replaced after a long time without an answer, because only a new channel asks DNS at once.

Only the channel for new calls is replaced; open streams on the old one live on.
"""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Generic, Self, TypeVar

import grpc
import grpc.aio

from spiral.wire.server import MAX_CONNECTION_AGE_GRACE_MS

RENEW_S = 30.0
"""While a name has no addresses, gRPC asks for it ever more rarely, finally every two minutes, and no channel option
changes that. With a new channel every half minute, gRPC never waits much longer than ten seconds."""

C = TypeVar("C")


class _Renewed(ABC, Generic[C]):
    def __init__(self, connect: Callable[[], C], renew_s: float = RENEW_S) -> None:
        """``connect`` opens a channel; it is called again after ``renew_s`` seconds of failures."""
        self._connect = connect
        self._renew_s = renew_s
        self._failing_since: float | None = None
        self.channel: C = connect()
        """The channel to use for the next call."""

    def answered(self) -> None:
        """Report that a call was answered."""
        self._failing_since = None

    def failed(self) -> None:
        """Report that a call failed; if calls have failed for long, the next one gets a new channel."""
        now = time.monotonic()
        if self._failing_since is None:
            self._failing_since = now
        if now - self._failing_since >= self._renew_s:
            self._failing_since = now
            old, self.channel = self.channel, self._connect()
            self._retire(old)

    @abstractmethod
    def _retire(self, old: C) -> None:
        """Close a channel that is no longer used."""


class ReconnectingChannel(_Renewed[grpc.Channel]):
    """A channel for one thread that makes one call at a time::

    with ReconnectingChannel(lambda: rpc.connect(address)) as peer:
        answer = InfoServiceStub(peer.channel).GetInfo(request)
        peer.answered()
    """

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.channel.close()

    def _retire(self, old: grpc.Channel) -> None:
        old.close()


class ReconnectingAsyncChannel(_Renewed[grpc.aio.Channel]):
    """A channel for asyncio, on which streams may live; otherwise as :class:`ReconnectingChannel`."""

    def __init__(self, connect: Callable[[], grpc.aio.Channel], renew_s: float = RENEW_S) -> None:
        super().__init__(connect, renew_s)
        self._closing: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        for closing in self._closing:
            closing.cancel()
        await self.channel.close()

    def _retire(self, old: grpc.aio.Channel) -> None:
        """Close the channel only after its open streams have ended."""
        closing = asyncio.create_task(old.close(MAX_CONNECTION_AGE_GRACE_MS / 1000))
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)
