"""A discriminator that likes symmetric ink: no data, no training, no framework. See docs/swap-a-service.md."""

import math
import os
import signal
from concurrent import futures

import grpc
import numpy as np
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from spiral.v1 import discriminator_pb2, discriminator_pb2_grpc, info_pb2, info_pb2_grpc, tensor_pb2

SHAPE = tuple(map(int, os.environ.get("SPIRAL_OBSERVATION_SHAPE", "32x32x1").split("x")))
SERVICES = ("", "spiral.v1.DiscriminatorService", "spiral.v1.InfoService")


class Symmetry(discriminator_pb2_grpc.DiscriminatorServiceServicer, info_pb2_grpc.InfoServiceServicer):
    """It keeps nothing, so a repeated batch has the same scores by itself, and all are by one version: none."""

    def GetInfo(self, request, context):  # noqa: N802  # the name in protos/
        who = {"service": "discriminator", "implementation": "symmetry", "implementation_version": "1"}
        return info_pb2.GetInfoResponse(**who, protocol_major=1, max_message_bytes=4 << 20)

    def Score(self, requests, context):  # noqa: N802
        def check(right, field, sentence):
            if not right:
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"{field}: {sentence}")

        first = next(requests, discriminator_pb2.ScoreRequest())
        check(first.WhichOneof("request") == "header", "header", "the first request is none")
        header, spec, shape = first.header, first.header.observations, tuple(first.header.observations.shape)
        check(0 < len(header.batch_id.encode()) <= 128, "batch_id", "expected 1 to 128 bytes")
        check(spec.dtype == tensor_pb2.DATA_TYPE_UINT8, "observations", "expected uint8")
        check(len(shape) == 5 and min(shape) > 0 and shape[2:] == SHAPE, "observations", f"expected [F, B, {SHAPE}]")
        check((size := math.prod(shape)) <= 64 << 20, "observations", f"{size} bytes; 64 MiB are the most")
        check(not header.HasField("targets"), "targets", "symmetry needs none")
        ends = list(header.endings.episodes)  # which episodes end is nothing to one who remembers none
        check(ends == sorted({*ends} & {*range(shape[1])}), "endings", "expected rising positions below B")
        data = bytearray()
        for request in requests:
            check(request.WhichOneof("request") == "chunk", "header", "it comes once, and chunks after it")
            check(len(request.chunk) <= 1 << 20, "chunk", "1 MiB is the most")
            check(len(data) + len(request.chunk) <= size, "chunk", f"more than the {size} bytes of the header's shape")
            data += request.chunk
        check(len(data) == size, "chunk", f"{len(data)} bytes are not the {size} of the header's shape")
        ink = 1 - np.frombuffer(data, np.uint8).reshape(shape).astype(np.float32) / 255
        # Symmetry alone would be had by painting nothing: the first tenth of ink is liked, too.
        scores = np.minimum(ink.mean((2, 3, 4)), 0.1) - np.abs(ink - ink[:, :, :, ::-1]).mean((2, 3, 4))
        tensor = {"dtype": tensor_pb2.DATA_TYPE_FLOAT32, "shape": shape[:2], "data": scores.astype("<f4").tobytes()}
        return discriminator_pb2.ScoreResponse(terms=[{"name": "symmetry", "scores": tensor}])


if __name__ == "__main__":
    server = grpc.server(futures.ThreadPoolExecutor(64), options=[("grpc.so_reuseport", 0)])
    discriminator_pb2_grpc.add_DiscriminatorServiceServicer_to_server(Symmetry(), server)
    info_pb2_grpc.add_InfoServiceServicer_to_server(Symmetry(), server)
    status = health.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(status, server)
    for name in SERVICES:
        status.set(name, health_pb2.HealthCheckResponse.SERVING)
    server.add_insecure_port(os.environ.get("SPIRAL_LISTEN", "127.0.0.1:50054"))
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    server.start()
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    # First it takes no calls, then it says so: one that came in between would be cancelled.
    ended = server.stop(grace=10)
    status.enter_graceful_shutdown()
    ended.wait()
