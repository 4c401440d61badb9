"""Pictures to reproduce, from the discriminator, which owns the data set."""

from __future__ import annotations

import asyncio
import logging
import random
import time

import grpc
import grpc.aio
import numpy as np
from numpy.typing import NDArray

from spiral.services.actor.back_off import REFUSED, BackOff, end_if_cancelled
from spiral.services.actor.repeated_failure import RepeatedFailure
from spiral.services.actor.waiting import Waits
from spiral.v1 import discriminator_pb2_grpc
from spiral.v1.discriminator_pb2 import SampleTargetsRequest
from spiral.wire import tensors
from spiral.wire.error_reasons import reason
from spiral.wire.reconnecting import ReconnectingAsyncChannel

_log = logging.getLogger(__name__)


class Targets:
    """Draws targets for a group of episodes."""

    def __init__(
        self,
        peer: ReconnectingAsyncChannel,
        observation_shape: tuple[int, int, int],
        waits: Waits,
        rng: random.Random,
        deadline_s: float,
    ) -> None:
        self._peer = peer
        self._observation_shape = observation_shape
        self._waits = waits
        self._rng = rng
        self._deadline_s = deadline_s
        self._failure = RepeatedFailure()

    async def draw(self, count: int) -> NDArray[np.uint8]:
        """``[count, H, W, C]``; retries until there is an answer.

        ValueError if the discriminator has no targets, or if they have the wrong shape for this run.
        """
        back_off = BackOff(self._rng)
        with self._waits("discriminator", "targets"):
            while True:
                try:
                    stub = discriminator_pb2_grpc.DiscriminatorServiceStub(self._peer.channel)
                    answer = await stub.SampleTargets(SampleTargetsRequest(count=count), timeout=self._deadline_s)
                    self._peer.answered()
                    self._failure.ended()
                    return tensors.decode(answer.targets, "targets", np.uint8, (count, *self._observation_shape))
                except grpc.aio.AioRpcError as error:
                    end_if_cancelled()
                    if error.code() == grpc.StatusCode.UNIMPLEMENTED:
                        raise ValueError(
                            "discriminator: it has no targets (no capability sample-targets), but a conditional run "
                            "needs them"
                        ) from error
                    if error.code() in REFUSED:
                        raise ValueError(f"targets: the discriminator refuses: {error.details()}") from error
                    self._peer.failed()
                    delay_s = back_off.next_s()
                    if (times := self._failure.failed(time.monotonic())) is not None:
                        _log.warning("no targets (%s); trying again in %.1f s%s", reason(error), delay_s, times)
                    await asyncio.sleep(delay_s)
