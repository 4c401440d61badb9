"""A renderer's life: how it starts, why it doesn't, and how it ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import grpc
import numpy as np
import psutil
import pytest
from grpc import StatusCode
from grpc_health.v1 import health_pb2, health_pb2_grpc

from spiral.engines.registry import names
from spiral.v1 import info_pb2, info_pb2_grpc, renderer_pb2, renderer_pb2_grpc
from spiral.wire import rpc
from tests.support.processes import PATIENCE_S, free_port, has_ended, launch, start, until
from tests.support.rollouts import Stream, make_program, paint_here

SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING

# Starts a renderer as the launcher does, says its process id and waits to be killed.
PARENT = """
import os, subprocess, sys, threading
reading, writing = os.pipe()
command = [sys.executable, "-m", "spiral.services.renderer", "--listen", sys.argv[1], "--parent-pipe", str(reading)]
child = subprocess.Popen(command, pass_fds=[reading], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
print(child.pid, flush=True)
threading.Event().wait()
"""


@pytest.fixture(params=["unix", "tcp"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return f"unix:{tmp_path}/r.sock" if request.param == "unix" else f"127.0.0.1:{free_port()}"


@pytest.fixture
def renderer(address: str, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    process = start("renderer", address, tmp_path / "log")
    yield process
    process.kill()
    process.wait()


def fail_to_start(
    *arguments: str, program: tuple[str, str] = ("-m", "spiral.services.renderer"), **environment: str
) -> str:
    """What a renderer says that exits with 2."""
    command = [sys.executable, *program, *arguments]
    ended = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, **environment}, timeout=PATIENCE_S, check=False
    )
    assert ended.returncode == 2, ended.stderr
    assert ended.stdout == ""
    return ended.stderr.splitlines()[-1]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 0), (signal.SIGHUP, 129)])
def test_it_drains_and_ends_in_order(
    renderer: subprocess.Popen[bytes], address: str, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    program = make_program(5, 3, 2)
    with rpc.connect(address) as channel:
        stream = Stream(channel).open(2)
        frames = [stream.reset(), stream.step(program[0])]
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(), timeout=PATIENCE_S)
        assert next(watch).status == SERVING
        renderer.send_signal(number)
        assert next(watch).status == NOT_SERVING
        # The episode that is under way is painted to its end …
        frames += [stream.step(actions) for actions in program[1:]]
        np.testing.assert_array_equal(np.stack(frames), paint_here(program))
        with pytest.raises(grpc.RpcError) as newcomer:
            Stream(channel).open(1)
        # … and the next one is another renderer's.
        with pytest.raises(grpc.RpcError) as next_episode:
            stream.reset()
        for raised in (newcomer, next_episode):
            assert raised.value.code() == StatusCode.UNAVAILABLE
            assert raised.value.details() == "this renderer is going down; use another"
        assert renderer.wait(PATIENCE_S) == code
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log"], "a socket was left behind"


def test_a_stream_that_outlasts_the_grace_is_cut_off(address: str, tmp_path: Path) -> None:
    process = start("renderer", address, tmp_path / "log", "--grace-s", "0")
    with rpc.connect(address) as channel:
        stream = Stream(channel).open(1)
        process.terminate()
        assert process.wait(PATIENCE_S) == 0
        with pytest.raises(grpc.RpcError):
            stream.reset()
    assert "calls are still under way after 0 s; they are cut off" in (tmp_path / "log").read_text()


@pytest.mark.usefixtures("renderer")
def test_a_second_server_on_the_same_address_is_refused(address: str, tmp_path: Path) -> None:
    sentence = fail_to_start("--listen", address)
    assert sentence.startswith(f"renderer: {address.removeprefix('unix:')}: ")
    assert "another server is listening on this socket" in sentence or "can't be listened on" in sentence
    with rpc.connect(address) as channel:
        np.testing.assert_array_equal(Stream(channel).open(1).reset(), 255)


@pytest.mark.usefixtures("renderer")
def test_a_second_server_with_the_same_health_address_is_refused(address: str, tmp_path: Path) -> None:
    sentence = fail_to_start("--listen", f"unix:{tmp_path}/other.sock", "--health", address)
    assert "listen" in sentence
    assert not (tmp_path / "other.sock").exists()


def test_a_socket_left_by_a_killed_server_is_no_hindrance(tmp_path: Path) -> None:
    address = f"unix:{tmp_path}/r.sock"
    first = start("renderer", address, tmp_path / "log")
    first.kill()
    first.wait()
    assert (tmp_path / "r.sock").exists()
    second = start("renderer", address, tmp_path / "log")
    second.terminate()
    assert second.wait(PATIENCE_S) == 0


def test_a_metrics_port_in_use_is_refused(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        metrics = f"127.0.0.1:{taken.getsockname()[1]}"
        sentence = fail_to_start("--listen", f"unix:{tmp_path}/r.sock", "--metrics", metrics)
    assert sentence.startswith(f"renderer: metrics: {metrics} can't be listened on")
    assert not list(tmp_path.iterdir()), "a socket was left behind"


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    sentence = fail_to_start("--listen", f"unix:{tmp_path}/nowhere/r.sock")
    assert "can't make a socket there (No such file or directory)" in sentence


def left_out(log: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: Path) -> str:
    """What a renderer says of ``mypaint``, which can't run in this environment, while it serves all other engines."""
    monkeypatch.setenv(variable, str(value))
    process = start("renderer", f"unix:{log.parent}/r.sock", log)
    with rpc.connect(f"unix:{log.parent}/r.sock") as channel:
        answer = info_pb2_grpc.InfoServiceStub(channel).GetInfo(info_pb2.GetInfoRequest(), timeout=PATIENCE_S)
        with pytest.raises(grpc.RpcError) as raised:
            Stream(channel).open(1)
    process.terminate()
    process.wait(PATIENCE_S)
    assert "mypaint" not in answer.engines
    assert len(answer.engines) == len(names()) - 1
    assert raised.value.code() == StatusCode.FAILED_PRECONDITION
    sentence = str(raised.value.details())
    assert f"an engine is left out: {sentence}" in log.read_text()
    return sentence


def test_a_missing_brush_pack_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sentence = left_out(tmp_path / "log", monkeypatch, "SPIRAL_BRUSHES", tmp_path / "none")
    assert sentence.startswith(f"SPIRAL_BRUSHES: {tmp_path}/none is not a folder")


def test_a_missing_libmypaint_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The loader takes the first file of this name on its path, and this one can't be loaded.
    (tmp_path / "libmypaint-1.5.so.1").touch()
    sentence = left_out(tmp_path / "log", monkeypatch, "LD_LIBRARY_PATH", tmp_path)
    assert sentence.startswith('engine "mypaint": ')
    assert "libmypaint" in sentence
    assert "apt" in sentence


def test_without_any_engine_it_does_not_start(tmp_path: Path) -> None:
    alone = "import sys, spiral.services.renderer.__main__ as r; r.names = lambda: ['mypaint']; sys.exit(r.main())"
    sentence = fail_to_start(program=("-c", alone), SPIRAL_BRUSHES=str(tmp_path / "none"))
    assert sentence.startswith(f"renderer: SPIRAL_BRUSHES: {tmp_path}/none is not a folder")


def test_a_pipe_that_is_none_is_refused(tmp_path: Path) -> None:
    sentence = fail_to_start("--listen", f"unix:{tmp_path}/r.sock", "--parent-pipe", "999")
    assert sentence == "renderer: parent_pipe: 999 is no open file descriptor of this process"
    assert not list(tmp_path.iterdir()), "a socket was left behind"


def test_it_stops_when_its_parent_is_killed(tmp_path: Path) -> None:
    address = f"unix:{tmp_path}/r.sock"
    parent = subprocess.Popen([sys.executable, "-c", PARENT, address], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    with rpc.connect(address) as channel:
        grpc.channel_ready_future(channel).result(PATIENCE_S)
    parent.kill()
    parent.wait()
    until(lambda: has_ended(child), "the orphan to end")
    assert not list(tmp_path.iterdir()), "a socket was left behind"


def test_probes_have_a_port_of_their_own(tmp_path: Path) -> None:
    health = f"127.0.0.1:{free_port()}"
    process = start("renderer", f"unix:{tmp_path}/r.sock", tmp_path / "log", "--health", health)
    with rpc.connect(health) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        for name in ("", "liveness"):
            answer = stub.Check(health_pb2.HealthCheckRequest(service=name), timeout=PATIENCE_S, wait_for_ready=True)
            assert answer.status == SERVING
        with pytest.raises(grpc.RpcError) as raised:
            Stream(channel).open(1)
        assert raised.value.code() == StatusCode.UNIMPLEMENTED
    process.terminate()
    assert process.wait(PATIENCE_S) == 0


def test_a_renderer_is_started_from_the_environment_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPIRAL_LISTEN", f"unix:{tmp_path}/r.sock")
    monkeypatch.setenv("SPIRAL_LEARNER_PORT", "tcp://10.0.0.1:50053")
    process = launch("renderer", log=tmp_path / "log")
    with rpc.connect(f"unix:{tmp_path}/r.sock") as channel:
        grpc.channel_ready_future(channel).result(PATIENCE_S)
    process.terminate()
    assert process.wait(PATIENCE_S) == 0


# A service with one call that never returns and ignores the stop, like an engine that hangs.
DEAF = """
import sys, threading
from spiral.serving import service as serving
from spiral.serving.metrics import new_metrics
from spiral.serving.options import ServiceOptions
from spiral.v1 import renderer_pb2_grpc

class Deaf(renderer_pb2_grpc.RendererServiceServicer):
    def DescribeEngine(self, request, context):
        print("asked", flush=True)
        threading.Event().wait()

serving.CUT_OFF_S = 0.2
options = ServiceOptions(listen=sys.argv[1], grace_s=0.2)
with serving.Serving("renderer", options, new_metrics("renderer")) as serving:
    renderer_pb2_grpc.add_RendererServiceServicer_to_server(Deaf(), serving.server)
    serving.start()
    serving.wait()
"""


def test_a_call_that_does_not_end_keeps_no_service_alive(tmp_path: Path) -> None:
    address = f"unix:{tmp_path}/s"
    command = [sys.executable, "-c", DEAF, address]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stderr
        with rpc.connect(address) as channel:
            stub = renderer_pb2_grpc.RendererServiceStub(channel)
            asked = stub.DescribeEngine.future(renderer_pb2.DescribeEngineRequest(), wait_for_ready=True)
            assert process.stdout.readline() == b"asked\n"
            process.terminate()
            try:
                assert process.wait(PATIENCE_S / 3) == 1
            finally:
                process.kill()
            assert asked.exception() is not None
        assert b"a call did not end within 0.2 s of being cut off" in process.stderr.read()
