"""A renderer under test, and how to paint on it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

import grpc
import numpy as np
from numpy.typing import NDArray

from spiral.conformance.case import Failure, require
from spiral.conformance.target import DEADLINE_S, Target
from spiral.v1 import renderer_pb2 as pb
from spiral.v1.program_pb2 import EngineSettings
from spiral.v1.renderer_pb2_grpc import RendererServiceStub
from spiral.v1.tensor_pb2 import Tensor
from spiral.values.actions import ActionSpec
from spiral.wire.contract import spec_from_proto
from spiral.wire.tensors import decode, encode

STREAMS, CANVASES = "spiral_renderer_streams", "spiral_renderer_canvases"


@dataclass(frozen=True, slots=True)
class Description:
    """What the engine understands and shows."""

    spec: ActionSpec
    observation_shape: tuple[int, ...]
    canvas_shape: tuple[int, ...]
    version: str


@dataclass(slots=True)
class RendererTarget(Target):
    """A renderer at an address, and the engine that the cases use."""

    engine_name: str = ""
    """Empty: the first that GetInfo names."""
    settings_json: str = ""

    @property
    def engine(self) -> EngineSettings:
        """Engine and settings of the cases; Failure where none is known."""
        name = self.engine_name or next(iter(self.info.engines), "")
        require(name, "GetInfo names no engine, and --engine was not given")
        return EngineSettings(engine=name, settings_json=self.settings_json)

    @property
    def stub(self) -> RendererServiceStub:
        """A stub for single calls."""
        return RendererServiceStub(self.channel)

    def describe(self) -> Description:
        """What the engine understands and shows; Failure where the description makes no sense."""
        answer = self.stub.DescribeEngine(pb.DescribeEngineRequest(engine=self.engine), timeout=DEADLINE_S)
        try:
            spec = spec_from_proto(answer.action_spec)
        except ValueError as error:
            raise Failure(f"action_spec: {error}") from error
        return Description(spec, tuple(answer.observation_shape), tuple(answer.canvas_shape), answer.engine_version)

    @contextmanager
    def stream(
        self, batch: int = 0, channel: grpc.Channel | None = None, deadline_s: float = DEADLINE_S
    ) -> Iterator[Stream]:
        """A Rollout stream, opened with ``batch`` canvases unless 0; cancelled at the block's end."""
        stream = Stream(channel or self.channel, self.engine, deadline_s)
        try:
            if batch:
                stream.open(batch)
            yield stream
        finally:
            stream.cancel()

    def paint(self, program: NDArray[np.int32], seeds: Sequence[int] = ()) -> NDArray[np.uint8]:
        """All observations ``[T + 1, B, H, W, C]`` of a program ``[T, B, K]``, on a stream of its own."""
        with self.stream(program.shape[1]) as stream:
            return stream.paint(program, seeds)


class Stream:
    """One Rollout stream; each request waits for its response."""

    def __init__(self, channel: grpc.Channel, engine: EngineSettings, deadline_s: float = DEADLINE_S) -> None:
        self._engine = engine
        self._requests: SimpleQueue[pb.RolloutRequest | None] = SimpleQueue()
        # Its annotations don't say that a call is an iterator with a status.
        self._responses: Any = RendererServiceStub(channel).Rollout(
            iter(self._requests.get, None), timeout=deadline_s, wait_for_ready=True
        )

    def ask(self, request: pb.RolloutRequest) -> pb.RolloutResponse:
        """Send one request and wait for its response; grpc.RpcError if the stream ended with a status."""
        self._requests.put(request)
        return self.next()

    def next(self) -> pb.RolloutResponse:
        """Wait for the next response; Failure where the stream has ended without one."""
        try:
            response: pb.RolloutResponse = next(self._responses)
            return response
        except StopIteration:
            raise Failure("the stream ended with OK before its last response") from None

    def say(self, request: pb.RolloutRequest) -> None:
        """Send one request."""
        self._requests.put(request)

    def open(self, batch: int) -> pb.RolloutResponse:
        """Open ``batch`` canvases."""
        return self.ask(pb.RolloutRequest(open=pb.OpenCanvases(engine=self._engine, batch=batch)))

    def reset(self, seeds: Sequence[int] = ()) -> NDArray[np.uint8]:
        """The blank observations, ``[B, H, W, C]``."""
        return pixels(self.ask(pb.RolloutRequest(reset=pb.ResetCanvases(seeds=seeds))).observations)

    def step(self, actions: NDArray[np.int32]) -> NDArray[np.uint8]:
        """Observations after ``actions`` ``[B, K]``."""
        return pixels(self.ask(step_request(actions)).observations)

    def paint(self, program: Iterable[NDArray[np.int32]], seeds: Sequence[int] = ()) -> NDArray[np.uint8]:
        """Blank and all observations, ``[T + 1, B, H, W, C]``."""
        return np.stack([self.reset(seeds), *(self.step(actions) for actions in program)])

    def finish(self) -> list[pb.RolloutResponse]:
        """Say that no more will be asked; what still comes until the end."""
        self._requests.put(None)
        return list(self._responses)

    def cancel(self) -> None:
        """Go away without a word; nothing where the stream has ended."""
        self._responses.cancel()
        self._requests.put(None)

    @property
    def trailing_metadata(self) -> dict[str, str]:
        """Metadata of a stream that has ended."""
        return {key: str(value) for key, value in self._responses.trailing_metadata() or ()}


def step_request(actions: NDArray[Any]) -> pb.RolloutRequest:
    """A step."""
    return pb.RolloutRequest(step=pb.StepCanvases(actions=encode(actions)))


def pixels(tensor: Tensor, axes: int = 4) -> NDArray[np.uint8]:
    """Observations of a response; Failure where they are no uint8 array of so many axes."""
    try:
        return decode(tensor, "observations", np.uint8, (None,) * axes)
    except ValueError as error:
        raise Failure(str(error)) from error


def random_program(spec: ActionSpec, length: int, batch: int, seed: int) -> NDArray[np.int32]:
    """Random actions in range, int32 ``[T, B, K]``."""
    return np.random.default_rng(seed).integers(0, spec.sizes, (length, batch, len(spec))).astype(np.int32)


def same(found: NDArray[np.uint8], right: NDArray[np.uint8], what: str) -> None:
    """Fail unless two pictures or series of them are equal, and say where they are not."""
    require(found.shape == right.shape, f"{what}: shape {list(found.shape)}; expected {list(right.shape)}")
    different = np.argwhere(found != right)
    if len(different):
        at = tuple(int(i) for i in different[0])
        raise Failure(
            f"{what}: {len(different)} of {right.size} values differ, the first at {list(at)}: "
            f"{found[at]} instead of {right[at]}"
        )


def settled(target: Target, name: str) -> float:
    """A gauge once it has not moved for a quarter of a second: what was under way before has ended."""
    value, since = target.gauge(name), time.monotonic()
    end = since + DEADLINE_S
    while time.monotonic() - since < 0.25 and time.monotonic() < end:
        time.sleep(0.05)
        if (now := target.gauge(name)) != value:
            value, since = now, time.monotonic()
    return value
