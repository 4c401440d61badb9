"""The renderer that the suite plays."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator

import grpc
import numpy as np

from spiral.conformance.peers.squares import SHAPE, SPEC, blank, paint
from spiral.v1 import renderer_pb2 as pb
from spiral.v1 import renderer_pb2_grpc
from spiral.v1.program_pb2 import EngineSettings
from spiral.wire.contract import spec_to_proto
from spiral.wire.interceptor import StatusError
from spiral.wire.tensors import decode, encode

MAX_STREAMS = 16


class PlayedRenderer(renderer_pb2_grpc.RendererServiceServicer):
    """Answers every engine's name with squares; loses streams and refuses them when told to."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.described = 0
        """Calls of DescribeEngine."""
        self.opened: list[EngineSettings] = []
        """Engines of the streams that were opened."""
        self.streams = 0
        """Streams under way."""
        self.refuse_opens = 0
        """As many of the next streams are refused with RESOURCE_EXHAUSTED."""
        self.refused = 0
        """Streams that were."""
        self.lose_after: deque[int] = deque()
        """The next streams are each lost after so many steps."""
        self.lost = 0
        """Streams that were."""
        self.wrong: list[str] = []
        """What callers did that the protocol forbids."""

    def DescribeEngine(  # noqa: N802  (gRPC's name)
        self, request: pb.DescribeEngineRequest, context: grpc.ServicerContext
    ) -> pb.DescribeEngineResponse:
        """What squares are."""
        with self.lock:
            self.described += 1
            if not request.engine.engine:
                self.wrong.append("DescribeEngine without an engine")
        return pb.DescribeEngineResponse(
            action_spec=spec_to_proto(SPEC), observation_shape=SHAPE, canvas_shape=SHAPE, engine_version="squares 1"
        )

    def Rollout(  # noqa: N802  (gRPC's name)
        self, request_iterator: Iterator[pb.RolloutRequest], context: grpc.ServicerContext
    ) -> Iterator[pb.RolloutResponse]:
        """Paint squares."""
        opened = next(request_iterator, None)
        if opened is None:
            return
        life = self._begin(opened)
        try:
            yield pb.RolloutResponse()
            canvases = blank(opened.open.batch)
            for request in request_iterator:
                canvases = self._answer(request, canvases)
                if request.HasField("step") and life is not None:
                    life -= 1
                    if life < 0:
                        with self.lock:
                            self.lost += 1
                        raise StatusError(grpc.StatusCode.UNAVAILABLE, "this renderer loses the stream")
                yield pb.RolloutResponse(observations=encode(canvases))
        except ValueError as error:
            with self.lock:
                self.wrong.append(str(error))
            raise
        finally:
            with self.lock:
                self.streams -= 1

    def Render(  # noqa: N802  (gRPC's name)
        self, request: pb.RenderRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.RenderResponse]:
        """Not offered."""
        raise StatusError(grpc.StatusCode.UNIMPLEMENTED, "this renderer renders no programs")

    def _begin(self, opened: pb.RolloutRequest) -> int | None:
        with self.lock:
            if self.refuse_opens:
                self.refuse_opens -= 1
                self.refused += 1
                raise StatusError(grpc.StatusCode.RESOURCE_EXHAUSTED, "all streams are open", retry_after_ms=50)
            if not opened.HasField("open") or not 1 <= opened.open.batch <= 4096:
                self.wrong.append(f"a stream that begins with {opened.WhichOneof('request')}, {opened.open.batch}")
                raise ValueError("request: the first is another; expected open with a batch of 1…4096")
            self.streams += 1
            self.opened.append(opened.open.engine)
            return self.lose_after.popleft() if self.lose_after else None

    def _answer(self, request: pb.RolloutRequest, canvases: np.ndarray) -> np.ndarray:
        batch = len(canvases)
        if request.HasField("reset"):
            if len(request.reset.seeds) not in (0, batch):
                raise ValueError(f"seeds: {len(request.reset.seeds)} for {batch} canvases")
            return blank(batch)
        if not request.HasField("step"):
            raise ValueError(f"request: a later one is {request.WhichOneof('request')}; expected reset or step")
        actions = decode(request.step.actions, "actions", np.int32, (batch, len(SPEC)))
        SPEC.validate(actions, "squares")
        return paint(canvases, actions)
