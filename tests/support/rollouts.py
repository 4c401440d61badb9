"""A renderer's stream and made-up programs, for the tests that talk to one."""

from __future__ import annotations

from collections.abc import Mapping
from queue import SimpleQueue
from typing import Any, Self

import grpc
import numpy as np
from numpy.typing import NDArray

from spiral.engines import Engine, create
from spiral.v1 import renderer_pb2, renderer_pb2_grpc
from spiral.v1.renderer_pb2 import OpenCanvases, ResetCanvases, RolloutRequest, RolloutResponse, StepCanvases
from spiral.wire.contract import settings_to_proto
from spiral.wire.tensors import decode, encode

SETTINGS: Mapping[str, Any] = {"grid": 8, "view": 32}
DEADLINE_S = 60.0


class Stream:
    """One Rollout stream; each question waits for its answer."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._requests: SimpleQueue[RolloutRequest | None] = SimpleQueue()
        stub = renderer_pb2_grpc.RendererServiceStub(channel)
        self._responses = stub.Rollout(iter(self._requests.get, None), timeout=DEADLINE_S)

    def ask(self, request: RolloutRequest) -> RolloutResponse:
        """Send one request and wait for its answer; grpc.RpcError if the stream ended."""
        self._requests.put(request)
        return next(self._responses)

    def wait(self) -> RolloutResponse:
        """Say nothing and wait; grpc.RpcError if the stream ended."""
        return next(self._responses)

    def open(self, batch: int, settings: Mapping[str, Any] = SETTINGS, engine: str = "mypaint") -> Self:
        self.ask(RolloutRequest(open=OpenCanvases(engine=settings_to_proto(engine, settings), batch=batch)))
        return self

    def reset(self, seeds: tuple[int, ...] = ()) -> NDArray[np.uint8]:
        return pixels(self.ask(RolloutRequest(reset=ResetCanvases(seeds=seeds))))

    def step(self, actions: NDArray[np.int32]) -> NDArray[np.uint8]:
        return pixels(self.ask(RolloutRequest(step=StepCanvases(actions=encode(actions)))))

    def paint(self, program: NDArray[np.int32]) -> NDArray[np.uint8]:
        """All observations of ``[T, B, K]``: ``[T + 1, B, H, W, C]``."""
        return np.stack([self.reset(), *(self.step(actions) for actions in program)])

    def close(self) -> None:
        """Say that no more will be asked, and wait for the end."""
        self._requests.put(None)
        assert list(self._responses) == []

    def cancel(self) -> None:
        """Go away without a word."""
        self._responses.cancel()
        self._requests.put(None)


def pixels(response: renderer_pb2.RolloutResponse) -> NDArray[np.uint8]:
    return decode(response.observations, "observations", np.uint8, (None, None, None, None))


def make_program(seed: int, length: int, batch: int, settings: Mapping[str, Any] = SETTINGS) -> NDArray[np.int32]:
    """Random actions, int32 ``[T, B, K]``."""
    sizes = create("mypaint", settings).spec.sizes
    return np.random.default_rng(seed).integers(0, sizes, (length, batch, len(sizes))).astype(np.int32)


def paint_here(
    program: NDArray[np.int32], settings: Mapping[str, Any] = SETTINGS, engine: Engine | None = None
) -> NDArray[np.uint8]:
    """What the engine in this process makes of a program, as ``Stream.paint``."""
    canvases = (engine or create("mypaint", settings)).open(program.shape[1])
    try:
        first = canvases.reset(np.zeros(program.shape[1], np.int64)).copy()
        return np.stack([first, *(canvases.step(actions).copy() for actions in program)])
    finally:
        canvases.close()
