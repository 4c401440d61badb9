"""Channels that are made anew when nobody has answered for long, because only a new one asks DNS at once.

Only the channel for new calls is replaced; streams that are open on the old one live on.
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
"""While a name has no addresses gRPC asks ever more seldom, every two minutes at last, and no option of a channel
changes that. Asked anew every half minute, a name is never left alone for much longer than ten seconds."""

C = TypeVar("C")


class _Renewed(ABC, Generic[C]):
    def __init__(self, connect: Callable[[], C], renew_s: float = RENEW_S) -> None:
        """``connect`` makes a channel; after ``renew_s`` seconds of failures it makes another one."""
        self._connect = connect
        self._renew_s = renew_s
        self._failing_since: float | None = None
        self.channel: C = connect()
        """The one to use for the next call."""

    def answered(self) -> None:
        """A call was answered."""
        self._failing_since = None

    def failed(self) -> None:
        """A call was not; where that has gone on for long, the next one finds a new channel."""
        now = time.monotonic()
        if self._failing_since is None:
            self._failing_since = now
        if now - self._failing_since >= self._renew_s:
            self._failing_since = now
            old, self.channel = self.channel, self._connect()
            self._retire(old)

    @abstractmethod
    def _retire(self, old: C) -> None:
        """Close a channel that is not used any more."""


class ReconnectingChannel(_Renewed[grpc.Channel]):
    """A channel for one thread, which makes one call at a time::

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
        """Streams that live on it may end in their own time."""
        closing = asyncio.create_task(old.close(MAX_CONNECTION_AGE_GRACE_MS / 1000))
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)
