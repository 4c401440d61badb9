"""The end of a connection to the learner is noticed, also of one that stood before anybody watched it."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import zmq
import zmq.asyncio

from spiral.services.actor.learner_connection import EVENTS, LearnerConnection, Received
from spiral.wire import sockets
from tests.support.processes import PATIENCE_S

END = Received("end", [])


def test_the_end_of_a_connection_that_stood_before_it_was_watched_is_noticed(tmp_path: Path) -> None:
    address = f"unix:{tmp_path}/d"

    async def watch() -> Received | None:
        with zmq.Context() as learners, zmq.asyncio.Context() as actors:
            router = sockets.router(learners, address)
            socket = sockets.dealer(actors, address, monitored=EVENTS)
            await socket.send(b"hello")
            assert await asyncio.to_thread(router.socket.poll, int(PATIENCE_S * 1000)), "the connection stands"
            link = LearnerConnection(socket, time.monotonic)
            router.close()
            try:
                async with asyncio.timeout(PATIENCE_S):
                    while (arrival := await link.next(PATIENCE_S)) is None:
                        pass
                return arrival
            finally:
                link.close()

    assert asyncio.run(watch()) == END
