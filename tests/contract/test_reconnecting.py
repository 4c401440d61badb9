"""Peers that no name leads to for long: who asks for them makes its channel anew, and finds who comes then."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import pytest
from grpc_health.v1 import health_pb2_grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from spiral.services.actor.targets import Targets
from spiral.services.actor.waiting import Waits
from spiral.services.actor.weights import WeightsClient, WeightsError
from spiral.services.learner.publisher import LearnerServicer, WeightsPublisher
from spiral.v1.learner_pb2_grpc import add_LearnerServiceServicer_to_server
from spiral.values.versions import Version
from spiral.wire.health import Health
from spiral.wire.interceptor import StatusInterceptor
from spiral.wire.reconnecting import ReconnectingAsyncChannel
from spiral.wire.server import Server
from tests.support.judging_data import SHAPE, discriminator
from tests.support.name_server import Name
from tests.support.processes import PATIENCE_S

RENEW_S = 0.5
RENEWALS = 3
MOVED_S = 10.0
"""A second, on a quiet machine; by gRPC's own settings it would be half a minute."""
VERSION, WEIGHTS = Version(1, 1), b"weights"
WAITS = Waits(lambda peer, seconds: None, lambda peer: nullcontext())


@pytest.fixture
def name() -> Iterator[Name]:
    with Name() as name:
        yield name


@contextmanager
def learner(address: str) -> Iterator[Health]:
    """Weights at ``address``, and its health."""
    publisher, health, server = WeightsPublisher("digest"), Health(), Server(address, 4, [StatusInterceptor()])
    publisher.publish(VERSION, WEIGHTS)
    add_LearnerServiceServicer_to_server(LearnerServicer(publisher), server)
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    server.start()
    health.serve(server.service_names)
    yield health
    server.close(0)


def test_weights_are_had_from_a_learner_that_came_late(name: Name) -> None:
    async def fetch() -> tuple[Version, bytes] | None:
        async with ReconnectingAsyncChannel(name.connect_async, RENEW_S) as peer:
            client = WeightsClient(peer, "digest", PATIENCE_S)
            while name.connected <= RENEWALS:
                with pytest.raises(WeightsError):
                    await client.newer_than(Version())
                await asyncio.sleep(0.01)
            with learner(name.lead()):
                while True:
                    try:
                        return await client.newer_than(Version())
                    except WeightsError:
                        await asyncio.sleep(0.01)

    assert asyncio.run(asyncio.wait_for(fetch(), PATIENCE_S)) == (VERSION, WEIGHTS)


@pytest.mark.parametrize("scheme", ["", "dns:///"])
def test_a_learner_that_moved_is_found_within_seconds(scheme: str) -> None:
    async def follow(name: Name) -> None:
        async with ReconnectingAsyncChannel(name.connect_async) as peer:
            client = WeightsClient(peer, "digest", PATIENCE_S)
            with learner(name.lead("127.0.1.1")):
                assert await client.newer_than(Version()) == (VERSION, WEIGHTS)
            with pytest.raises(WeightsError):
                await client.newer_than(Version())
            with learner(name.move("127.0.1.2")):
                async with asyncio.timeout(MOVED_S):
                    while True:
                        try:
                            await client.newer_than(Version())
                            return
                        except WeightsError:
                            await asyncio.sleep(0.01)

    with Name(scheme) as name:
        asyncio.run(follow(name))


def test_targets_are_had_from_a_discriminator_that_came_late(name: Name) -> None:
    async def draw() -> tuple[int, ...]:
        async with ReconnectingAsyncChannel(name.connect_async, RENEW_S) as peer:
            drawing = asyncio.create_task(Targets(peer, SHAPE, WAITS, random.Random(0), PATIENCE_S).draw(3))
            while name.connected <= RENEWALS:
                await asyncio.sleep(0.01)
            with discriminator(name.lead(), conditional=True):
                return (await drawing).shape

    assert asyncio.run(asyncio.wait_for(draw(), PATIENCE_S)) == (3, *SHAPE)


def test_a_stream_lives_on_when_calls_take_a_new_channel(name: Name) -> None:
    async def watch() -> None:
        with learner(name.lead()) as health:
            async with ReconnectingAsyncChannel(name.connect_async, renew_s=0.0) as peer:
                old = peer.channel
                stream = health_pb2_grpc.HealthStub(old).Watch(HealthCheckRequest())
                assert (await stream.read()).status == HealthCheckResponse.SERVING
                peer.failed()
                assert peer.channel is not old
                answer = await health_pb2_grpc.HealthStub(peer.channel).Check(HealthCheckRequest())
                assert answer.status == HealthCheckResponse.SERVING
                health.set("", HealthCheckResponse.NOT_SERVING)
                assert (await stream.read()).status == HealthCheckResponse.NOT_SERVING

    asyncio.run(asyncio.wait_for(watch(), PATIENCE_S))


def test_failures_apart_from_each_other_renew_nothing(name: Name) -> None:
    async def fail_now_and_then() -> None:
        async with ReconnectingAsyncChannel(name.connect_async, RENEW_S) as peer:
            peer.failed()
            await asyncio.sleep(RENEW_S)
            peer.answered()
            peer.failed()
            assert name.connected == 1
            await asyncio.sleep(RENEW_S)
            peer.failed()
            assert name.connected == 2

    asyncio.run(fail_now_and_then())
