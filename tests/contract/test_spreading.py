"""Several renderers behind one name, as in a cluster: who gets the streams, and how a new one is found."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator
from contextlib import nullcontext

import pytest
from grpc_health.v1 import health_pb2_grpc

from spiral.configuration.files import load_config
from spiral.services.actor.renderer_streams import Renderers
from spiral.services.actor.waiting import Waits
from spiral.services.renderer.overruns import Overruns
from spiral.services.renderer.servicer import Renderer
from spiral.services.renderer.stream_limit import Streams
from spiral.serving.metrics import new_metrics
from spiral.v1.renderer_pb2_grpc import add_RendererServiceServicer_to_server
from spiral.wire.health import Health
from spiral.wire.interceptor import StatusInterceptor
from spiral.wire.reconnecting import ReconnectingAsyncChannel
from spiral.wire.server import Server
from tests.support.name_server import Name
from tests.support.processes import PATIENCE_S

SHAPE = (32, 32, 1)
NEW_RENDERER_S = 90.0
"""Time within which a new renderer has streams, as promised."""
LONGEST_LIFE_S = 25.0
"""Longest life of an actor's stream: 20 s and a quarter."""
WAITS = Waits(lambda peer, seconds: None, lambda peer: nullcontext())


class Town:
    """Renderers on loopback addresses of their own, and a name that leads to those that are there."""

    def __init__(self) -> None:
        self.name = Name()
        self.open: dict[str, Streams] = {}
        self._servers: dict[str, Server] = {}

    def add(self, address: str) -> None:
        """Start a renderer."""
        server, streams, health = (
            Server(f"{address}:{self.name.port}", 20, [StatusInterceptor()]),
            Streams(16),
            Health(),
        )
        servicer = Renderer(
            streams, 1, new_metrics("renderer"), PATIENCE_S, Overruns(PATIENCE_S, print), draining=lambda: False
        )
        add_RendererServiceServicer_to_server(servicer, server)
        health_pb2_grpc.add_HealthServicer_to_server(health, server)
        server.start()
        health.serve(server.service_names)
        self._servers[address], self.open[address] = server, streams
        self.name.lead(address)

    def end(self, address: str) -> None:
        """End a renderer, without waiting for anybody."""
        self.name.hosts.discard(address)
        del self.open[address]
        self._servers.pop(address).close(0)

    def close(self) -> None:
        """End them all."""
        for address in list(self.open):
            self.end(address)


def renderers_at(peer: ReconnectingAsyncChannel) -> Renderers:
    """The actor's end."""
    engine = load_config("demo").engine
    return Renderers(peer, engine, WAITS, random.Random(0), stream_life_s=60.0, watchdog_s=PATIENCE_S)


@pytest.fixture
def town() -> Iterator[Town]:
    town = Town()
    with town.name:
        yield town
        town.close()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():
            await asyncio.sleep(0.01)


def test_streams_spread_over_all_that_are_there_and_pass_on_to_those_that_are_left(town: Town) -> None:
    places = ("127.0.1.1", "127.0.1.2", "127.0.1.3")
    for address in places:
        town.add(address)

    async def open_many() -> None:
        async with ReconnectingAsyncChannel(town.name.connect_async) as peer:
            renderers = renderers_at(peer)
            # The first connection to stand gets the first streams; they spread when all are connected.
            spread = False
            while not spread:
                streams = [await renderers.open(2, SHAPE) for _ in range(6)]
                spread = [town.open[address].count for address in places] == [2, 2, 2]
                if not spread:
                    for stream in streams:
                        stream.close()
                    await until(lambda: all(not town.open[address].count for address in places))
            town.end(places[0])
            later = [await renderers.open(2, SHAPE) for _ in range(2)]
            assert sum(town.open[address].count for address in places[1:]) == 6
            for stream in later:
                await stream.reset()

    asyncio.run(open_many())


@pytest.mark.slow
def test_a_renderer_that_is_added_gets_streams_in_time(town: Town) -> None:
    """Connections that end by age make its name be asked for; streams that have lived their lives are opened on it."""
    town.add("127.0.1.1")

    async def open_again_and_again() -> None:
        async with ReconnectingAsyncChannel(town.name.connect_async) as peer:
            renderers = renderers_at(peer)
            stream = await renderers.open(2, SHAPE)
            town.add("127.0.1.2")
            async with asyncio.timeout(NEW_RENDERER_S - LONGEST_LIFE_S):
                while not town.open["127.0.1.2"].count:
                    stream.close()
                    await asyncio.sleep(0.1)
                    stream = await renderers.open(2, SHAPE)

    asyncio.run(open_again_and_again())


def test_who_finds_nobody_for_long_looks_anew_and_finds_who_comes_then(town: Town) -> None:
    async def open_one() -> None:
        async with ReconnectingAsyncChannel(town.name.connect_async, renew_s=0.5) as peer:
            opening = asyncio.create_task(renderers_at(peer).open(2, SHAPE))
            await until(lambda: town.name.connected >= 3)
            town.add("127.0.1.1")
            stream = await asyncio.wait_for(opening, PATIENCE_S)
            await stream.reset()

    asyncio.run(open_one())
