"""A renderer in another language, built from ``protos/`` alone, in the place of our own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import grpc
import numpy as np
import pytest

from spiral.runs.directory import Run
from spiral.v1 import program_pb2, renderer_pb2, renderer_pb2_grpc, tensor_pb2
from spiral.wire import rpc
from tests.support.launched import SMALL
from tests.support.node_renderer import FOLDER, node_renderer, skip_without_node
from tests.support.processes import PATIENCE_S, launch, until

CONFIG = Path(__file__).parent / "strokes.yaml"
ENGINE = program_pb2.EngineSettings(engine="strokes", settings_json='{"canvas": 64, "view": 16}')
SPEC_SIZES = [2, 256, 256, 4, 8]


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """Where the renderer in Node.js serves."""
    skip_without_node()
    listen = f"unix:{tmp_path}/renderer.sock"
    with node_renderer(listen, tmp_path / "renderer.log"):
        yield listen


def draw(rng: np.random.Generator, batch: int) -> tensor_pb2.Tensor:
    actions = rng.integers(0, SPEC_SIZES, size=(batch, len(SPEC_SIZES))).astype("<i4")
    return tensor_pb2.Tensor(dtype=tensor_pb2.DATA_TYPE_INT32, shape=actions.shape, data=actions.tobytes())


def test_an_observation_is_the_area_average_of_the_canvas_and_a_program_repeats_it(address: str) -> None:
    steps = [draw(np.random.default_rng(step), 3) for step in range(6)]
    requests = [
        renderer_pb2.RolloutRequest(open=renderer_pb2.OpenCanvases(engine=ENGINE, batch=3)),
        *(renderer_pb2.RolloutRequest(step=renderer_pb2.StepCanvases(actions=actions)) for actions in steps),
    ]
    with rpc.connect(address) as channel:
        stub = renderer_pb2_grpc.RendererServiceStub(channel)
        *_, last = stub.Rollout(iter(requests), timeout=PATIENCE_S)
        observations = np.frombuffer(last.observations.data, np.uint8).reshape(3, 16, 16)
        for index, observation in enumerate(observations):
            rows = [actions.data[20 * index : 20 * (index + 1)] for actions in steps]
            program = program_pb2.Program(
                engine=ENGINE,
                actions=tensor_pb2.Tensor(dtype=tensor_pb2.DATA_TYPE_INT32, shape=[6, 5], data=b"".join(rows)),
            )
            (frame,) = stub.Render(renderer_pb2.RenderRequest(program=program), timeout=PATIENCE_S)
            assert frame.step == 6
            canvas = np.frombuffer(frame.frame.data, np.uint8).reshape(16, 4, 16, 4).astype(int)
            np.testing.assert_array_equal(observation, (2 * canvas.sum((1, 3)) + 16) // 32)
            assert observation.min() < 255


def test_a_wrong_setting_is_named(address: str) -> None:
    wrong = program_pb2.EngineSettings(engine="strokes", settings_json='{"canvas": 64, "view": 48}')
    with rpc.connect(address) as channel:
        stub = renderer_pb2_grpc.RendererServiceStub(channel)
        with pytest.raises(grpc.RpcError) as caught:
            stub.DescribeEngine(renderer_pb2.DescribeEngineRequest(engine=wrong), timeout=PATIENCE_S)
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert caught.value.details() == "engine.settings_json.view: 48 does not divide the canvas of 64 pixels"


@pytest.mark.timeout(300)
def test_it_keeps_all_promises_of_a_renderer(tmp_path: Path) -> None:
    skip_without_node()
    command = [sys.executable, "-m", "spiral.cli.main", "conformance", "renderer", "--level=extended"]
    with (tmp_path / "report.txt").open("wb") as out:
        process = subprocess.run(
            [*command, f"--command=node {FOLDER / 'server.js'}"],
            env=os.environ | {"SPIRAL_GRACE_S": "20"},
            stdout=out,
            stderr=out,
            check=False,
        )
    assert process.returncode == 0, (tmp_path / "report.txt").read_text()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_loop_trains_with_it_by_its_address_alone(tmp_path: Path) -> None:
    skip_without_node()
    listen = {name: f"unix:{tmp_path}/{name}.sock" for name in ("renderer", "learner", "learner-data", "discriminator")}
    run = Run(tmp_path / "run")
    peers = [f"--{name}={address}" for name, address in listen.items()]
    # Nothing but the address in --renderer tells the others that this is not our own renderer.
    options = [f"--config={CONFIG}", *(f"--set={key}={value}" for key, value in SMALL.items()), *peers]
    own = {
        "learner": [f"--listen={listen['learner']}", f"--run-dir={run.path}"],
        # It talks to no renderer, so it has to be told what one of an engine that is not installed here shows.
        "discriminator": [
            f"--listen={listen['discriminator']}",
            f"--run-dir={run.path}",
            "--observation-shape=32x32x1",
        ],
        "actor": [f"--listen=unix:{tmp_path}/actor.sock"],
    }
    # It talks to no renderer, so it has to be told what one of an engine that is not installed here shows.
    own["discriminator"].append("--observation-shape=32x32x1")
    with ExitStack() as stack:
        node = stack.enter_context(node_renderer(listen["renderer"], tmp_path / "renderer.log"))
        processes = {}
        for name, flags in own.items():
            processes[name] = launch(name, *flags, *options, log=tmp_path / f"{name}.log")
            stack.callback(processes[name].wait)
            stack.callback(processes[name].kill)

        def learnt() -> bool:
            for name, process in processes.items():
                assert process.poll() is None, (tmp_path / f"{name}.log").read_text()
            history = run.history()
            return bool(history) and history[-1]["frames"] > 1000

        until(learnt, "1,000 learned frames", 240.0)
        for process in processes.values():
            process.terminate()
        assert {name: process.wait(PATIENCE_S) for name, process in processes.items()} == dict.fromkeys(own, 0)
        node.send_signal(signal.SIGTERM)
        assert node.wait(PATIENCE_S) == 0, (tmp_path / "renderer.log").read_text()
