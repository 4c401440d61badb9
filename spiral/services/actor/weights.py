"""Fetches the newest weights and builds the policy that uses them."""

from __future__ import annotations

import asyncio
import copy
import hashlib
import io
import logging
import random
import time
from collections.abc import AsyncIterable, Callable
from contextlib import suppress
from typing import Any

import grpc
import grpc.aio

from spiral.computing.finite import NotFiniteValuesError
from spiral.policy import Policy
from spiral.policy.weights import load_weights, parse_weights
from spiral.services.actor.back_off import BackOff, end_if_cancelled
from spiral.services.actor.learner_session import ContractError
from spiral.services.actor.repeated_failure import RepeatedFailure
from spiral.services.actor.waiting import Waits
from spiral.v1 import learner_pb2_grpc
from spiral.v1.learner_pb2 import GetWeightsRequest, GetWeightsResponse, WeightsHeader
from spiral.values.versions import Version
from spiral.wire.contract import version_from_proto, version_to_proto
from spiral.wire.error_reasons import reason
from spiral.wire.reconnecting import ReconnectingAsyncChannel

MAX_WEIGHTS_BYTES = 1 << 30
"""Far above any policy of this project; a header that announces more is an error, not a reason to fill the memory."""

ANNOUNCED_AGAIN_S = 1.0
"""How often a group that waits for another generation's weights checks which generation the learner is now."""

_log = logging.getLogger(__name__)


class WeightsError(Exception):
    """No weights came this time; the message says why."""


class WeightsClient:
    """Asks the learner for weights."""

    def __init__(self, peer: ReconnectingAsyncChannel, contract_digest: str, deadline_s: float) -> None:
        self._peer = peer
        self._contract_digest = contract_digest
        self._deadline_s = deadline_s

    async def newer_than(self, version: Version) -> tuple[Version, bytes] | None:
        """Version and bytes of the newest weights; None if ``version`` is the newest.

        Raises WeightsError if there was no answer, ContractError if the learner learns another task.
        """
        request = GetWeightsRequest(if_newer_than=version_to_proto(version), contract_digest=self._contract_digest)
        # The stub works with both kinds of channel; its annotations know only the other one.
        stub: Any = learner_pb2_grpc.LearnerServiceStub(self._peer.channel)
        call = stub.GetWeights(request, timeout=self._deadline_s)
        try:
            newer = await assemble(call)
            self._peer.answered()
            return newer
        except grpc.aio.AioRpcError as error:
            end_if_cancelled()
            if error.code() == grpc.StatusCode.FAILED_PRECONDITION:
                raise ContractError(f"the learner refuses this actor: {error.details()}") from error
            self._peer.failed()
            raise WeightsError(reason(error)) from error
        finally:
            call.cancel()  # so that the unread rest of a wrong answer is not sent


async def assemble(responses: AsyncIterable[GetWeightsResponse]) -> tuple[Version, bytes] | None:
    """Version and bytes of the weights that arrive as a header and chunks; None if there are no newer ones.

    Holds at most twice MAX_WEIGHTS_BYTES. Raises WeightsError if something else arrives.
    """
    header: WeightsHeader | None = None
    received = io.BytesIO()
    async for response in responses:
        if header is None:
            if response.WhichOneof("response") != "header":
                raise WeightsError("the answer does not start with a header")
            header = response.header
            if header.total_bytes > MAX_WEIGHTS_BYTES:
                raise WeightsError(f"{header.total_bytes} bytes of weights are more than {MAX_WEIGHTS_BYTES}")
        else:
            received.write(response.chunk)
            if received.tell() > header.total_bytes:
                raise WeightsError(f"more than the {header.total_bytes} bytes announced arrived")
    if header is None:
        raise WeightsError("the answer does not start with a header")
    if not header.modified:
        return None
    data = received.getvalue()
    if len(data) != header.total_bytes or hashlib.sha256(data).digest() != header.sha256:
        raise WeightsError(f"{len(data)} bytes arrived that are not the {header.total_bytes} announced")
    return version_from_proto(header.version), data


class CurrentPolicy:
    """The newest policy and its version. Look it up before each step: a module that was replaced is refilled when the
    next weights come.

    ``arrived`` is called each time that newer weights have come.
    """

    def __init__(
        self,
        policy: Policy,
        client: WeightsClient,
        waits: Waits,
        rng: random.Random,
        arrived: Callable[[CurrentPolicy], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.policy = policy
        self._spare = copy.deepcopy(policy)
        self.version = Version()
        self._client = client
        self._waits = waits
        self._rng = rng
        self._arrived = arrived
        self._clock = clock
        self._arrived_at = clock()
        self._wanted = asyncio.Event()
        self._arrival = asyncio.Event()
        self._failure = RepeatedFailure()

    @property
    def age_s(self) -> float:
        """Seconds since the weights arrived."""
        return self._clock() - self._arrived_at

    async def first(self) -> None:
        """Wait for the first weights; ContractError and ValueError as for :meth:`refresh`."""
        back_off = BackOff(self._rng)
        with self._waits("learner", "the first weights"):
            while self.version == Version():
                await self.refresh()
                if self.version == Version():
                    await asyncio.sleep(back_off.next_s())

    def want_newer(self) -> None:
        """Say that now is a good time to look for newer weights; at most once per episode."""
        self._wanted.set()

    async def of_generation(self, announced: Callable[[], Version]) -> None:
        """Wait until the weights are of the announced generation, because the learner accepts no others' paintings."""
        if self.version.generation == announced().generation:
            return
        with self._waits("learner", "weights of its generation"):
            while self.version.generation != announced().generation:
                self.want_newer()
                self._arrival.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(ANNOUNCED_AGAIN_S):
                        await self._arrival.wait()

    async def keep_fresh(self, announced: Callable[[], Version]) -> None:
        """Take newer weights whenever they are wanted and ``announced`` says that they exist, trying until they
        arrive; errors as for :meth:`refresh`."""
        back_off = BackOff(self._rng)
        before = max(announced(), self.version)
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            told = announced()
            if told < before:  # a learner's versions never go back
                _log.warning("another learner: version %s after %s; fetching its weights", told, before)
                self.version = Version()
            before = told
            if told > self.version:
                await self.refresh()
            if told > self.version:
                await asyncio.sleep(back_off.next_s())
                self._wanted.set()
            else:
                back_off.reset()

    async def refresh(self) -> None:
        """Take newer weights if there are any and they are finite.

        ContractError if the learner learns another task, ValueError if its weights belong to another network.
        """
        try:
            newer = await self._client.newer_than(self.version)
        except WeightsError as error:
            if (times := self._failure.failed(self._clock())) is not None:
                _log.warning("no weights from the learner: %s%s", error, times)
            return
        self._failure.ended()
        if newer is None:
            return
        version, data = newer
        try:
            # Two modules take turns: copying one costs ten times as much as filling it.
            load_weights(self._spare, parse_weights(data))
        except NotFiniteValuesError as error:
            _log.warning("weights %s of the learner are refused: %s", version, error)
            return
        self.policy, self._spare = self._spare, self.policy
        self.version, self._arrived_at = version, self._clock()
        self._arrival.set()
        self._arrived(self)
