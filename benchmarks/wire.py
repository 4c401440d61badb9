"""The cost of crossing a service boundary: ``python benchmarks/wire.py``.

``wire.rollout_ms``: round trip of one Rollout step of 64 canvases with a view of 32×32, without the engine's time.
``wire.trajectory_mb_s``: trajectories of such a group from a DEALER in another process to a ROUTER, over ipc.
``wire.memcpy_mb_s``: copying the same bytes in memory. ``wire.trajectory_ratio``: the former divided by the latter.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import numpy as np
import zmq
from prometheus_client.parser import text_string_to_metric_families

from spiral.v1 import info_pb2, info_pb2_grpc, renderer_pb2, renderer_pb2_grpc
from spiral.v1.trajectory_pb2 import ActorMessage, TrajectoryHeader
from spiral.values import strict_json
from spiral.values.actions import ActionSpec, Component
from spiral.values.trajectories import Trajectory, TrajectoryContract
from spiral.wire import sockets, tensors
from spiral.wire.contract import settings_to_proto, spec_from_proto
from spiral.wire.rpc import connect_async

BATCH, T, VIEW = 64, 20, 32
SETTINGS = {"grid": 16, "view": VIEW}
ENGINE = settings_to_proto("mypaint", SETTINGS)
START_S = 30.0


def measure(seconds: float = 5.0) -> dict[str, float]:
    """All figures, by key; each of the two parts takes about ``seconds``."""
    with tempfile.TemporaryDirectory() as folder:
        address = f"unix:{folder}/renderer.sock"
        command = [sys.executable, "-m", "spiral.services.renderer", "--listen", address, "--log-level", "error"]
        renderer = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            rollout_ms, spec = asyncio.run(_rollout(address, seconds))
        finally:
            renderer.terminate()
            renderer.wait()
        message = _trajectory(spec)
        sent = _send_and_receive(f"ipc://{folder}/data.sock", Path(folder, "spec.json"), spec, seconds)
    copied = _memcpy(message, seconds / 5)
    return {
        "wire.rollout_ms": rollout_ms,
        "wire.trajectory_mb_s": sent,
        "wire.memcpy_mb_s": copied,
        "wire.trajectory_ratio": sent / copied,
    }


async def _rollout(address: str, seconds: float) -> tuple[float, ActionSpec]:
    """Median round trip less the engine's mean time, milliseconds; and the engine's spec."""
    async with connect_async(address) as channel:
        stub = renderer_pb2_grpc.RendererServiceStub(channel)
        request = renderer_pb2.DescribeEngineRequest(engine=ENGINE)
        spec = spec_from_proto((await stub.DescribeEngine(request, wait_for_ready=True, timeout=START_S)).action_spec)
        stream = stub.Rollout()
        await stream.write(renderer_pb2.RolloutRequest(open=renderer_pb2.OpenCanvases(engine=ENGINE, batch=BATCH)))
        await stream.read()
        await stream.write(renderer_pb2.RolloutRequest(reset=renderer_pb2.ResetCanvases()))
        await stream.read()
        # Only moves: the engine has little to do, and always the same.
        actions = np.zeros((BATCH, len(spec)), np.int32)
        trips = []
        end_s = time.perf_counter() + seconds
        while time.perf_counter() < end_s:
            start_s = time.perf_counter()
            step = renderer_pb2.StepCanvases(actions=tensors.encode(actions))
            await stream.write(renderer_pb2.RolloutRequest(step=step))
            response = await stream.read()
            tensors.decode(response.observations, "observations", np.uint8, (BATCH, VIEW, VIEW, 1))
            trips.append(time.perf_counter() - start_s)
        await stream.done_writing()
        info = await info_pb2_grpc.InfoServiceStub(channel).GetInfo(info_pb2.GetInfoRequest(), timeout=START_S)
        return (statistics.median(trips) - _engine_seconds(info.metrics_url)) * 1e3, spec


def _engine_seconds(metrics_url: str) -> float:
    """Mean time of a step that the renderer measured."""
    page = urllib.request.urlopen(metrics_url, timeout=START_S).read().decode()
    values = {s.name: s.value for family in text_string_to_metric_families(page) for s in family.samples}
    return values["spiral_renderer_step_seconds_sum"] / values["spiral_renderer_step_seconds_count"]


def _trajectory(spec: ActionSpec) -> list[bytes | memoryview]:
    """The frames of one trajectory message: header and tensors."""
    trajectory = Trajectory(
        observations=np.full((T + 1, BATCH, VIEW, VIEW, 1), 255, np.uint8),
        actions=np.zeros((T, BATCH, len(spec)), np.int32),
        behaviour_log_prob=np.zeros((T, BATCH), np.float32),
    )
    arrays = trajectory.tensors()
    header = TrajectoryHeader(tensors=[tensors.spec_of(name, array) for name, array in arrays.items()])
    return [ActorMessage(trajectory=header).SerializeToString(), *(tensors.frame_of(a) for a in arrays.values())]


def _send_and_receive(address: str, spec_file: Path, spec: ActionSpec, seconds: float) -> float:
    """MB/s at which trajectories from another process arrive as checked arrays."""
    spec_file.write_text(strict_json.report([[c.name, c.size, c.kind] for c in spec.components]))
    expected = TrajectoryContract(spec, (VIEW, VIEW, 1), T, False, 0).tensors(BATCH)
    with zmq.Context() as context, sockets.router(context, address) as router:
        sender = subprocess.Popen([sys.executable, __file__, "send", address, str(spec_file)])
        try:
            router.socket.recv_multipart()
            received, start_s = 0, time.perf_counter()
            while time.perf_counter() < start_s + seconds:
                _, header, *frames = router.socket.recv_multipart(copy=False)
                specs = ActorMessage.FromString(header.bytes).trajectory.tensors
                for described, frame, (dtype, shape) in zip(specs, frames, expected.values(), strict=True):
                    received += tensors.view(described, frame.buffer, dtype, shape).nbytes
            return received / (time.perf_counter() - start_s) / 1e6
        finally:
            sender.kill()
            sender.wait()


def _send(address: str, spec_file: str) -> None:
    """Send trajectories until killed."""
    components = json.loads(Path(spec_file).read_text())
    message = _trajectory(ActionSpec(tuple(Component(*c) for c in components)))
    socket = sockets.dealer(zmq.Context(), address)
    while True:
        socket.send_multipart(message, copy=False)


def _memcpy(message: list[bytes | memoryview], seconds: float) -> float:
    """MB/s at which the tensors of a message are copied into memory that is there already."""
    sources = [np.frombuffer(frame, np.uint8) for frame in message[1:]]
    targets = [np.empty_like(source) for source in sources]
    copied, start_s = 0, time.perf_counter()
    while time.perf_counter() < start_s + seconds:
        for source, target in zip(sources, targets, strict=True):
            np.copyto(target, source)
            copied += source.nbytes
    return copied / (time.perf_counter() - start_s) / 1e6


if __name__ == "__main__":
    if sys.argv[1:2] == ["send"]:
        _send(*sys.argv[2:])
    else:
        print(strict_json.report(measure(), indent=2))
