"""Remote canvases: Rollout streams to a renderer, with a watchdog on every wait."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable
from typing import Any

import grpc
import grpc.aio
import numpy as np
from numpy.typing import NDArray

from spiral.configuration.schema import EngineConfig
from spiral.services.actor.back_off import REFUSED, BackOff, end_if_cancelled
from spiral.services.actor.repeated_failure import RepeatedFailure
from spiral.services.actor.waiting import Waits
from spiral.v1 import renderer_pb2_grpc
from spiral.v1.renderer_pb2 import (
    OpenCanvases,
    ResetCanvases,
    RolloutRequest,
    RolloutResponse,
    StepCanvases,
)
from spiral.wire import tensors
from spiral.wire.contract import settings_to_proto
from spiral.wire.error_reasons import reason
from spiral.wire.reconnecting import ReconnectingAsyncChannel

LIFE_JITTER = 0.25
"""Share by which the lives of streams differ, so that the groups of many actors don't all move at once."""

_log = logging.getLogger(__name__)

Call = grpc.aio.StreamStreamCall[RolloutRequest, RolloutResponse]


class StreamLostError(Exception):
    """The stream and its canvases are gone; the message says why."""

    def __init__(self, message: str, code: grpc.StatusCode | None = None) -> None:
        super().__init__(message)
        self.code = code
        """The renderer's status code, if there is one."""


class Stream:
    """``B`` canvases in lockstep, which live as long as the stream."""

    def __init__(self, call: Call, shape: tuple[int, int, int, int], watchdog_s: float, ends_at: float) -> None:
        self._call = call
        self._shape = shape
        self._watchdog_s = watchdog_s
        self.ends_at = ends_at
        """Time from which it is replaced, at the next episode border."""
        self.closed = False

    async def reset(self) -> NDArray[np.uint8]:
        """Blank all canvases → ``[B, H, W, C]``. StreamLostError if no valid answer comes in time."""
        return self._observations(await self._ask(RolloutRequest(reset=ResetCanvases())))

    async def step(self, actions: NDArray[np.int32]) -> NDArray[np.uint8]:
        """Execute ``actions`` ``[B, K]`` → ``[B, H, W, C]``; errors as for :meth:`reset`."""
        return self._observations(await self._ask(RolloutRequest(step=StepCanvases(actions=tensors.encode(actions)))))

    async def open(self, request: OpenCanvases) -> None:
        """Create the canvases; errors as for :meth:`reset`."""
        await self._ask(RolloutRequest(open=request))

    def close(self) -> None:
        """Release the canvases."""
        self.closed = True
        self._call.cancel()

    async def _ask(self, request: RolloutRequest) -> RolloutResponse:
        try:
            return await self._exchange(request)
        except StreamLostError:
            end_if_cancelled()
            raise

    async def _exchange(self, request: RolloutRequest) -> RolloutResponse:
        try:
            async with asyncio.timeout(self._watchdog_s):
                await self._call.write(request)
                response = await self._call.read()
                if isinstance(response, RolloutResponse):
                    return response
                raise StreamLostError(f"the renderer ended the stream ({(await self._call.code()).name})")
        except TimeoutError as error:
            self.close()
            raise StreamLostError(f"no answer from the renderer within {self._watchdog_s:g} s") from error
        except grpc.aio.AioRpcError as error:
            raise StreamLostError(reason(error), error.code()) from error
        except asyncio.InvalidStateError as error:
            raise StreamLostError("the stream has ended") from error
        except asyncio.CancelledError as error:
            # gRPC reports a cancelled call in the same way as a cancelled task.
            raise StreamLostError("the call was cancelled") from error

    def _observations(self, response: RolloutResponse) -> NDArray[np.uint8]:
        try:
            return tensors.decode(response.observations, "observations", np.uint8, self._shape)
        except ValueError as error:
            self.close()
            raise StreamLostError(f"a wrong answer: {error}") from error


class Renderers:
    """Opens canvases at a renderer's address, which may stand for many renderers."""

    def __init__(
        self,
        peer: ReconnectingAsyncChannel,
        engine: EngineConfig,
        waits: Waits,
        rng: random.Random,
        *,
        stream_life_s: float,
        watchdog_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._peer = peer
        self._engine = settings_to_proto(engine.name, engine.settings)
        self._waits = waits
        self._rng = rng
        self._stream_life_s = stream_life_s
        self._watchdog_s = watchdog_s
        self._clock = clock
        self._failure = RepeatedFailure()

    @property
    def _stub(self) -> Any:  # the stub works with both kinds of channel; its annotations know only the other one
        return renderer_pb2_grpc.RendererServiceStub(self._peer.channel)

    async def open(self, batch: int, observation_shape: tuple[int, int, int]) -> Stream:
        """Open a stream of ``batch`` canvases; retry until a renderer has room. ValueError if it refuses them."""
        back_off = BackOff(self._rng)
        with self._waits("renderer", "a stream"):
            while True:
                life_s = self._stream_life_s * self._rng.uniform(1 - LIFE_JITTER, 1 + LIFE_JITTER)
                stream = Stream(
                    self._stub.Rollout(), (batch, *observation_shape), self._watchdog_s, self._clock() + life_s
                )
                try:
                    await stream.open(OpenCanvases(engine=self._engine, batch=batch))
                    self._peer.answered()
                    self._failure.ended()
                    return stream
                except StreamLostError as error:
                    if error.code in REFUSED:
                        raise ValueError(f"canvases: the renderer refuses: {error}") from error
                    await self._pause(back_off, str(error))
                except BaseException:
                    stream.close()
                    raise

    async def _pause(self, back_off: BackOff, why: str) -> None:
        self._peer.failed()
        delay_s = back_off.next_s()
        if (times := self._failure.failed(self._clock())) is not None:
            _log.warning("no canvases from the renderer (%s); trying again in %.1f s%s", why, delay_s, times)
        await asyncio.sleep(delay_s)
