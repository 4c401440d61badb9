"""Answers the calls of RendererService."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import closing

import grpc
import numpy as np
from numpy.typing import NDArray

from spiral.engines import Canvases, Engine, EngineMissingError, create
from spiral.engines.batches import MAX_BATCH
from spiral.engines.description import EngineDescription
from spiral.services.renderer.overruns import Overruns
from spiral.services.renderer.stream_limit import Streams
from spiral.serving.metrics import Metrics
from spiral.v1 import program_pb2, renderer_pb2, renderer_pb2_grpc
from spiral.wire.contract import description_to_proto, settings_from_proto
from spiral.wire.idle_timeout import within
from spiral.wire.interceptor import StatusError
from spiral.wire.rpc import MAX_MESSAGE_BYTES
from spiral.wire.tensors import decode, encode

MAX_ACTIONS = 10_000
MAX_SCALE = 16
# Room in a message for everything besides the pixels.
HEADER_BYTES = 1024


class Renderer(renderer_pb2_grpc.RendererServiceServicer):
    """Runs engines for clients; streams share nothing but the count of streams."""

    def __init__(
        self,
        streams: Streams,
        threads: int,
        metrics: Metrics,
        idle_s: float,
        overruns: Overruns,
        draining: Callable[[], bool],
    ) -> None:
        """``threads`` step the canvases of a stream. Once ``draining()`` is true, no new episode begins.

        A Rollout whose client is silent for ``idle_s`` seconds is ended.
        """
        self._streams = streams
        self._threads = threads
        self._metrics = metrics
        self._idle_s = idle_s
        self._overruns = overruns
        self._draining = draining
        metrics["spiral_renderer_streams"].set_function(lambda: streams.count)

    def DescribeEngine(  # noqa: N802  (gRPC's name)
        self, request: renderer_pb2.DescribeEngineRequest, context: grpc.ServicerContext
    ) -> renderer_pb2.DescribeEngineResponse:
        """Describe what an engine with these settings understands and shows."""
        return description_to_proto(EngineDescription.of(_engine(request.engine)))

    def Rollout(  # noqa: N802  (gRPC's name)
        self, request_iterator: Iterator[renderer_pb2.RolloutRequest], context: grpc.ServicerContext
    ) -> Iterator[renderer_pb2.RolloutResponse]:
        """Paint on the canvases that the first request opens, until the stream ends."""
        silent = self._metrics["spiral_renderer_idle_total"].inc
        with self._streams.slot(), closing(within(request_iterator, self._idle_s, context, silent)) as requests:
            first = next(requests, None)
            if first is None:
                return
            self._refuse_while_draining()
            if not first.HasField("open"):
                raise ValueError(f"request: the first is {_which(first)}; expected open")
            yield from self._rollout(first.open, requests, context)

    def Render(  # noqa: N802  (gRPC's name)
        self, request: renderer_pb2.RenderRequest, context: grpc.ServicerContext
    ) -> Iterator[renderer_pb2.RenderResponse]:
        """Paint a whole program at a scale and answer with the requested frames."""
        with self._streams.slot():
            self._refuse_while_draining()
            scale = request.scale or 1
            if scale > MAX_SCALE:
                raise ValueError(f"scale: {scale} is outside 1…{MAX_SCALE}")
            engine = _engine(request.program.engine)
            actions = decode(request.program.actions, "program.actions", np.int32, (None, len(engine.spec)))
            if not 1 <= len(actions) <= MAX_ACTIONS:
                raise ValueError(f"program.actions: {len(actions)} actions are outside 1…{MAX_ACTIONS}")
            engine.spec.validate(actions, engine.name)
            larger = engine.scaled(scale)
            if (size := math.prod(larger.canvas_shape)) > MAX_MESSAGE_BYTES - HEADER_BYTES:
                raise ValueError(
                    f"scale: {scale} makes frames of {list(larger.canvas_shape)}, {size} bytes, but a message has at "
                    f"most {MAX_MESSAGE_BYTES - HEADER_BYTES}"
                )
            yield from self._render(larger, request, actions, context)

    def _rollout(
        self,
        opened: renderer_pb2.OpenCanvases,
        requests: Iterator[renderer_pb2.RolloutRequest],
        context: grpc.ServicerContext,
    ) -> Iterator[renderer_pb2.RolloutResponse]:
        engine, batch = _engine(opened.engine), opened.batch
        if not 1 <= batch <= MAX_BATCH:
            raise ValueError(f"batch: {batch} is outside 1…{MAX_BATCH}")
        shape = (batch, *engine.observation_shape)
        if (size := int(np.prod(shape))) > MAX_MESSAGE_BYTES - HEADER_BYTES:
            raise ValueError(
                f"batch: {batch} observations of {list(engine.observation_shape)} have {size} bytes, but a message has "
                f"at most {MAX_MESSAGE_BYTES - HEADER_BYTES}"
            )
        canvases = _open(engine, batch, self._threads, context)
        observations = np.empty(shape, np.uint8)
        count = self._metrics["spiral_renderer_canvases"]
        count.inc(batch)
        try:
            yield renderer_pb2.RolloutResponse()
            for request in requests:
                if request.HasField("step"):
                    self._step(canvases, request.step, len(engine.spec), observations)
                elif request.HasField("reset"):
                    self._refuse_while_draining()
                    canvases.reset(_seeds(request.reset, batch), out=observations)
                else:
                    raise ValueError(f"request: a later one is {_which(request)}; expected reset or step")
                yield renderer_pb2.RolloutResponse(observations=encode(observations))
        finally:
            count.dec(batch)
            canvases.close()

    def _step(
        self, canvases: Canvases, step: renderer_pb2.StepCanvases, components: int, observations: NDArray[np.uint8]
    ) -> None:
        batch = len(observations)
        actions = decode(step.actions, "actions", np.int32, (batch, components))
        start_s = time.perf_counter()
        with self._overruns.limited(canvases):
            canvases.step(actions, out=observations)
        self._metrics["spiral_renderer_step_seconds"].observe(time.perf_counter() - start_s)
        self._metrics["spiral_renderer_frames_total"].inc(batch)

    def _render(
        self,
        engine: Engine,
        request: renderer_pb2.RenderRequest,
        actions: NDArray[np.int32],
        context: grpc.ServicerContext,
    ) -> Iterator[renderer_pb2.RenderResponse]:
        canvases = _open(engine, 1, self._threads, context)
        try:
            canvases.reset(np.array([request.program.seed], np.int64))
            with self._overruns.limited(canvases):
                for step, action in enumerate(actions, start=1):
                    canvases.step(action[np.newaxis])
                    self._metrics["spiral_renderer_frames_total"].inc()
                    if step == len(actions) or (request.every and step % request.every == 0):
                        yield renderer_pb2.RenderResponse(step=step, frame=encode(canvases.canvas()[0]))
        finally:
            canvases.close()

    def _refuse_while_draining(self) -> None:
        if self._draining():
            raise StatusError(grpc.StatusCode.UNAVAILABLE, "this renderer is going down; use another")


def _engine(message: program_pb2.EngineSettings) -> Engine:
    try:
        return create(*settings_from_proto(message))
    except EngineMissingError as error:
        raise StatusError(grpc.StatusCode.FAILED_PRECONDITION, str(error)) from error


def _open(engine: Engine, batch: int, threads: int, context: grpc.ServicerContext) -> Canvases:
    """Canvases whose steps are stopped when the call ends, because nobody waits for them any more."""
    try:
        canvases = engine.open(batch, threads)
    except MemoryError as error:
        raise StatusError(grpc.StatusCode.RESOURCE_EXHAUSTED, str(error)) from error
    if not context.add_callback(canvases.stop):
        canvases.stop()
    return canvases


def _seeds(reset: renderer_pb2.ResetCanvases, batch: int) -> NDArray[np.int64]:
    if not reset.seeds:
        return np.zeros(batch, np.int64)
    if len(reset.seeds) != batch:
        raise ValueError(f"seeds: {len(reset.seeds)} seeds; expected {batch} (one for each canvas) or none")
    return np.array(reset.seeds, np.int64)


def _which(request: renderer_pb2.RolloutRequest) -> str:
    return request.WhichOneof("request") or "empty"
