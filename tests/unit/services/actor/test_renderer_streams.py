"""A task that is to end does end, also where gRPC reports nothing but the failure that came at the same moment."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import grpc
import grpc.aio
import pytest

from spiral.services.actor.renderer_streams import Stream, StreamLostError


class FailsWhenCancelled:
    """A call as gRPC's own is in that moment: the cancellation ends inside it, what comes out is the failure."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()

    async def write(self, request: object) -> None:
        self.asked.set()

    async def read(self) -> object:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            nothing = grpc.aio.Metadata()
            raise grpc.aio.AioRpcError(grpc.StatusCode.UNAVAILABLE, nothing, nothing, "socket closed") from None
        return None

    def cancel(self) -> None:
        pass


def test_a_cancellation_that_meets_a_failure_is_not_lost() -> None:
    async def cancelled() -> None:
        call = FailsWhenCancelled()
        task = asyncio.create_task(Stream(cast("Any", call), (1, 2, 2, 1), 60.0, 0.0).reset())
        await call.asked.wait()
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cancelled())


def test_a_failure_alone_is_a_stream_that_is_lost() -> None:
    async def late() -> None:
        await Stream(cast("Any", FailsWhenCancelled()), (1, 2, 2, 1), 0.01, 0.0).reset()

    with pytest.raises(StreamLostError):
        asyncio.run(late())
