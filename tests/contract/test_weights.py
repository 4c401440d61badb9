"""Weights over a real connection: the learner's publisher before the actor's client."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import grpc
import pytest
import torch

from spiral.configuration.schema import PolicyConfig
from spiral.policy import Policy, build_policy
from spiral.policy.weights import dump_weights
from spiral.services.actor.back_off import FIRST_S
from spiral.services.actor.learner_session import ContractError
from spiral.services.actor.waiting import Waits
from spiral.services.actor.weights import CurrentPolicy, WeightsClient, WeightsError
from spiral.services.learner.publisher import LearnerServicer, WeightsPublisher
from spiral.v1 import learner_pb2_grpc
from spiral.v1.learner_pb2 import GetWeightsRequest, GetWeightsResponse, WeightsHeader
from spiral.values.versions import Version
from spiral.wire import rpc
from spiral.wire.contract import version_to_proto
from spiral.wire.info import Info
from spiral.wire.interceptor import StatusInterceptor
from spiral.wire.reconnecting import ReconnectingAsyncChannel
from spiral.wire.server import Server
from tests.support.trajectory_messages import SPEC

T = TypeVar("T")

MIB = 1 << 20
DATA = random.Random(0).randbytes(5 * MIB // 2)


@contextmanager
def serving(servicer: learner_pb2_grpc.LearnerServiceServicer, address: str) -> Iterator[str]:
    server = Server(address, 4, [StatusInterceptor()])
    learner_pb2_grpc.add_LearnerServiceServicer_to_server(servicer, server)
    server.start()
    try:
        yield address
    finally:
        server.close()


@pytest.fixture
def publisher() -> WeightsPublisher:
    return WeightsPublisher("digest")


@pytest.fixture
def address(publisher: WeightsPublisher, tmp_path: Path) -> Iterator[str]:
    with serving(LearnerServicer(publisher), f"unix:{tmp_path}/learner") as address:
        yield address


def ask(address: str, question: Callable[[WeightsClient], Awaitable[T]], digest: str = "digest") -> T:
    async def main() -> T:
        async with ReconnectingAsyncChannel(lambda: rpc.connect_async(address)) as learner:
            return await question(WeightsClient(learner, digest, deadline_s=30.0))

    return asyncio.run(main())


def test_weights_arrive_whole_and_only_when_they_are_newer(publisher: WeightsPublisher, address: str) -> None:
    publisher.publish(Version(1, 5), DATA)
    for held, right in {
        Version(): (Version(1, 5), DATA),
        Version(0, 9): (Version(1, 5), DATA),
        Version(1, 4): (Version(1, 5), DATA),
        Version(1, 5): None,
        Version(1, 6): None,
        Version(2, 0): None,
    }.items():
        assert ask(address, lambda client, held=held: client.newer_than(held)) == right


def test_no_message_carries_more_than_a_mebibyte_and_each_version_is_encoded_once(
    publisher: WeightsPublisher, address: str
) -> None:
    publisher.publish(Version(1, 5), DATA)
    with rpc.connect(address) as channel:
        stub = learner_pb2_grpc.LearnerServiceStub(channel)
        header, *chunks = stub.GetWeights(GetWeightsRequest(), timeout=30)
    assert [len(response.chunk) for response in chunks] == [MIB, MIB, MIB // 2]
    assert (header.header.modified, header.header.total_bytes) == (True, len(DATA))
    assert publisher.responses() is publisher.responses()


def test_the_latest_wins_and_versions_never_go_back(publisher: WeightsPublisher, address: str) -> None:
    publisher.publish(Version(1, 5), b"old")
    publisher.publish(Version(2, 0), b"new")
    assert ask(address, lambda client: client.newer_than(Version(1, 5))) == (Version(2, 0), b"new")
    for version in (Version(2, 0), Version(1, 99)):
        with pytest.raises(ValueError, match=r"is not newer than 2\.0"):
            publisher.publish(version, b"")


def test_before_the_first_weights_the_learner_is_unavailable(address: str) -> None:
    with pytest.raises(WeightsError, match="UNAVAILABLE: the learner has no weights yet"):
        ask(address, lambda client: client.newer_than(Version()))


def test_another_contract_is_a_failed_precondition_with_both_digests(publisher: WeightsPublisher, address: str) -> None:
    publisher.publish(Version(1, 5), DATA)
    with pytest.raises(ContractError, match='"other" is not the learner\'s "digest"'):
        ask(address, lambda client: client.newer_than(Version()), digest="other")
    with rpc.connect(address) as channel, pytest.raises(grpc.RpcError) as caught:
        list(learner_pb2_grpc.LearnerServiceStub(channel).GetWeights(GetWeightsRequest(contract_digest="other")))
    assert caught.value.code() == grpc.StatusCode.FAILED_PRECONDITION  # type: ignore[attr-defined]


HEADER = WeightsHeader(version=version_to_proto(Version(1, 1)), modified=True, total_bytes=3, sha256=b"0" * 32)
WRONG = {
    "a wrong hash": [GetWeightsResponse(header=HEADER), GetWeightsResponse(chunk=b"abc")],
    "a missing chunk": [GetWeightsResponse(header=HEADER)],
    "no header": [GetWeightsResponse(chunk=b"abc")],
    "nothing": [],
}


@pytest.mark.parametrize("case", WRONG)
def test_an_answer_that_is_not_whole_is_no_answer(tmp_path: Path, case: str) -> None:
    class Wrong(learner_pb2_grpc.LearnerServiceServicer):
        def GetWeights(  # noqa: N802
            self, request: GetWeightsRequest, context: grpc.ServicerContext
        ) -> Iterator[GetWeightsResponse]:
            yield from WRONG[case]

    with serving(Wrong(), f"unix:{tmp_path}/wrong") as address, pytest.raises(WeightsError):
        ask(address, lambda client: client.newer_than(Version()))


def make_policy(width: int = 16) -> Policy:
    return build_policy(PolicyConfig(width=width), SPEC, (16, 16, 1), 3, False).eval()


def current_policy(client: WeightsClient, arrivals: list[Version]) -> CurrentPolicy:
    waits = Waits(lambda peer, seconds: None, Info("actor").waiting)
    rng = random.Random(0)
    return CurrentPolicy(make_policy(), client, waits, rng, lambda current: arrivals.append(current.version))


def test_new_weights_come_in_another_module_and_the_replaced_one_stays_as_it_was(
    publisher: WeightsPublisher, address: str
) -> None:
    arrivals: list[Version] = []

    async def story(client: WeightsClient) -> None:
        current = current_policy(client, arrivals)
        first = asyncio.create_task(current.first())
        publisher.publish(Version(1, 0), dump_weights(make_policy().state_dict()))
        await first
        held, before = current.policy, {k: v.clone() for k, v in current.policy.state_dict().items()}
        zeroed = {k: torch.zeros_like(v) for k, v in before.items()}
        publisher.publish(Version(1, 1), dump_weights(zeroed))
        await current.refresh()
        await current.refresh()
        learnt = current.policy
        publisher.publish(Version(1, 2), dump_weights({k: torch.full_like(v, torch.nan) for k, v in before.items()}))
        await current.refresh()
        assert (current.policy, current.version) == (learnt, Version(1, 1)), "what is not finite is refused"
        assert current.policy is not held
        assert all(not value.any() for value in current.policy.state_dict().values())
        assert all(torch.equal(value, before[name]) for name, value in held.state_dict().items())
        assert not current.policy.training

    ask(address, story)
    assert arrivals == [Version(1, 0), Version(1, 1)], "what was there already has not arrived again"


def test_weights_are_fetched_when_wanted_and_announced(publisher: WeightsPublisher, address: str) -> None:
    async def story(client: WeightsClient) -> None:
        arrivals: list[Version] = []
        current, announced = current_policy(client, arrivals), [Version(1, 0)]
        publisher.publish(Version(1, 0), dump_weights(make_policy().state_dict()))
        await current.first()
        keeping = asyncio.create_task(current.keep_fresh(lambda: announced[0]))
        publisher.publish(Version(1, 1), dump_weights(make_policy().state_dict()))
        announced[0] = Version(1, 1)
        current.want_newer()
        async with asyncio.timeout(30):
            while current.version != Version(1, 1):
                await asyncio.sleep(0.01)
        keeping.cancel()

    ask(address, story)


def test_who_can_not_fetch_a_new_generations_weights_waits_tries_ever_more_rarely_and_says_so_in_one_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As after a learner's restart, whose announcement comes by ZeroMQ before gRPC finds it."""
    address, tries = f"unix:{tmp_path}/learner", 5
    publisher = WeightsPublisher("digest")
    publisher.publish(Version(1, 500), dump_weights(make_policy().state_dict()))

    async def story(client: WeightsClient) -> None:
        asked, painting = [Version()], client.newer_than

        async def newer_than(version: Version) -> tuple[Version, bytes] | None:
            asked.append(version)
            return await painting(version)

        current, announced = current_policy(client, []), [Version(1, 500)]
        with serving(LearnerServicer(publisher), address):
            await current.first()
        client.newer_than = newer_than  # type: ignore[method-assign]  # counts the tries
        async with asyncio.timeout(30):
            keeping = asyncio.create_task(current.keep_fresh(lambda: announced[0]))
            await current.of_generation(lambda: announced[0])
            announced[0] = Version(2, 500)
            waiting = asyncio.create_task(current.of_generation(lambda: announced[0]))
            asked.clear()
            started = time.monotonic()
            while len(asked) < tries:
                await asyncio.sleep(0.01)
            assert time.monotonic() - started > 0.75 * FIRST_S * (2 ** (tries - 1) - 1), "it waits between two"
            assert not waiting.done(), "what it paints meanwhile would be dropped"
            publisher.publish(Version(2, 500), dump_weights(make_policy().state_dict()))
            with serving(LearnerServicer(publisher), address):
                await waiting
        assert current.version == Version(2, 500)
        keeping.cancel()

    with caplog.at_level("WARNING"):
        ask(address, story)
    assert len([line for line in caplog.messages if line.startswith("no weights")]) == 1


@pytest.mark.parametrize("painted", [True, False])
def test_another_learner_at_the_same_address_is_followed_though_its_versions_are_lower(
    painted: bool, tmp_path: Path
) -> None:
    """Its run directory is another one, so it counts anew; also for an actor that has not painted for the old one."""
    address, announced, asked = f"unix:{tmp_path}/learner", [Version(1, 500)], []

    def tell() -> Version:
        asked.append(announced[0])
        return announced[0]

    def learner(version: Version) -> LearnerServicer:
        publisher = WeightsPublisher("digest")
        publisher.publish(version, dump_weights(make_policy().state_dict()))
        return LearnerServicer(publisher)

    async def story(client: WeightsClient) -> None:
        current = current_policy(client, [])
        async with asyncio.timeout(30):
            with serving(learner(Version(1, 500)), address):
                await current.first()
                keeping = asyncio.create_task(current.keep_fresh(tell))
                if painted:
                    current.want_newer()
                while len(asked) < 1 + painted:
                    await asyncio.sleep(0.01)
            announced[0] = Version(1, 3)
            with serving(learner(Version(1, 4)), address):
                while current.version != Version(1, 4):
                    current.want_newer()
                    await asyncio.sleep(0.01)
        keeping.cancel()

    ask(address, story)


def test_weights_of_another_network_are_an_error_with_a_sentence(publisher: WeightsPublisher, address: str) -> None:
    publisher.publish(Version(1, 0), dump_weights(make_policy(width=32).state_dict()))
    with pytest.raises(ValueError, match=r"has shape .* this policy needs"):
        ask(address, lambda client: current_policy(client, []).first())
