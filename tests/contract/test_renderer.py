"""A real renderer, asked over a Unix socket and over TCP: what it answers, and what it refuses."""

from __future__ import annotations

import logging
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

import grpc
import numpy as np
import pytest
from grpc import StatusCode
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from prometheus_client.parser import text_string_to_metric_families

from spiral.engines import create
from spiral.services.renderer.overruns import Overruns
from spiral.services.renderer.servicer import Renderer
from spiral.services.renderer.stream_limit import Streams
from spiral.serving.metrics import CATALOGUE, new_metrics
from spiral.v1 import info_pb2, info_pb2_grpc, program_pb2, renderer_pb2, renderer_pb2_grpc, tensor_pb2
from spiral.v1.renderer_pb2 import OpenCanvases, RenderRequest, ResetCanvases, RolloutRequest, StepCanvases
from spiral.wire import rpc
from spiral.wire.contract import settings_to_proto, spec_from_proto
from spiral.wire.interceptor import StatusInterceptor
from spiral.wire.server import Server
from spiral.wire.tensors import decode, encode
from tests.support.processes import free_port, start, until
from tests.support.rollouts import SETTINGS, Stream, make_program, paint_here

MAX_STREAMS = 4
GOOD = settings_to_proto("mypaint", SETTINGS)
SERVING = health_pb2.HealthCheckResponse.SERVING


@pytest.fixture(scope="module", params=["unix", "tcp"])
def channel(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[grpc.Channel]:
    folder = tmp_path_factory.mktemp("renderer")
    address = f"unix:{folder}/r.sock" if request.param == "unix" else f"127.0.0.1:{free_port()}"
    process = start("renderer", address, folder / "log", "--max-streams", str(MAX_STREAMS), "--threads", "2")
    with rpc.connect(address) as opened:
        yield opened
    process.terminate()
    assert process.wait(60) == 0, (folder / "log").read_text()


@pytest.fixture
def stub(channel: grpc.Channel) -> renderer_pb2_grpc.RendererServiceStub:
    return renderer_pb2_grpc.RendererServiceStub(channel)


@pytest.fixture
def info(channel: grpc.Channel) -> info_pb2.GetInfoResponse:
    return info_pb2_grpc.InfoServiceStub(channel).GetInfo(info_pb2.GetInfoRequest(), timeout=10)


def refused(raised: pytest.ExceptionInfo[grpc.RpcError]) -> tuple[StatusCode, str]:
    return raised.value.code(), raised.value.details()


def test_it_describes_the_engine(stub: renderer_pb2_grpc.RendererServiceStub) -> None:
    engine = create("mypaint", SETTINGS)
    answer = stub.DescribeEngine(renderer_pb2.DescribeEngineRequest(engine=GOOD))
    assert spec_from_proto(answer.action_spec) == engine.spec
    assert tuple(answer.observation_shape) == engine.observation_shape == (32, 32, 1)
    assert tuple(answer.canvas_shape) == engine.canvas_shape == (64, 64, 1)
    assert answer.engine_version == engine.version


def test_it_says_who_it_is(info: info_pb2.GetInfoResponse) -> None:
    assert (info.service, info.implementation, info.protocol_major) == ("renderer", "spiral", 1)
    assert list(info.capabilities) == ["render"]
    assert (info.max_streams, info.max_message_bytes) == (MAX_STREAMS, rpc.MAX_MESSAGE_BYTES)
    assert not info.HasField("version")


def test_it_exports_what_is_catalogued(info: info_pb2.GetInfoResponse) -> None:
    page = urllib.request.urlopen(info.metrics_url, timeout=10).read().decode()
    exported = {family.name for family in text_string_to_metric_families(page)}
    assert exported == {m.name.removesuffix("_total") for m in CATALOGUE if "renderer" in m.services}


def test_it_counts_frames_streams_and_canvases(channel: grpc.Channel, info: info_pb2.GetInfoResponse) -> None:
    def value(name: str) -> float:
        page = urllib.request.urlopen(info.metrics_url, timeout=10).read().decode()
        return next(s.value for f in text_string_to_metric_families(page) for s in f.samples if s.name == name)

    until(lambda: value("spiral_renderer_streams") == 0, "the streams of other tests to end")
    frames, steps = value("spiral_renderer_frames_total"), value("spiral_renderer_step_seconds_count")
    stream = Stream(channel).open(3)
    stream.paint(make_program(0, 2, 3))
    assert value("spiral_renderer_streams") == 1
    assert value("spiral_renderer_canvases") == 3
    assert value("spiral_renderer_frames_total") == frames + 6
    assert value("spiral_renderer_step_seconds_count") == steps + 2
    stream.cancel()
    until(lambda: value("spiral_renderer_streams") == 0, "the stream of a caller that went away to end")
    until(lambda: value("spiral_renderer_canvases") == 0, "its canvases to be freed")


def test_it_lists_its_services_by_reflection(channel: grpc.Channel) -> None:
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    (answer,) = stub.ServerReflectionInfo(iter([request]), timeout=10)
    assert {service.name for service in answer.list_services_response.service} == {
        "spiral.v1.RendererService",
        "spiral.v1.InfoService",
        "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection",
    }


@pytest.mark.parametrize("name", ["", "spiral.v1.RendererService", "spiral.v1.InfoService", "liveness"])
def test_health_answers_by_every_name(channel: grpc.Channel, name: str) -> None:
    stub = health_pb2_grpc.HealthStub(channel)
    assert stub.Check(health_pb2.HealthCheckRequest(service=name), timeout=10).status == SERVING


def test_the_same_program_gives_the_same_pixels_wherever_it_is_painted(channel: grpc.Channel) -> None:
    one = make_program(1, 6, 1)
    expected = paint_here(one)[:, 0]
    crowds = [np.concatenate([make_program(10 + at, 6, 4)[:, :at], one, make_program(20, 6, 7)], 1) for at in (0, 2, 4)]
    streams = [Stream(channel).open(crowd.shape[1]) for crowd in crowds]
    with ThreadPoolExecutor() as pool:
        painted = list(pool.map(lambda stream, crowd: stream.paint(crowd), streams, crowds))
    again = streams[0].paint(crowds[0])
    for stream in streams:
        stream.close()
    for at, observations in zip((0, 2, 4), painted, strict=True):
        np.testing.assert_array_equal(observations[:, at], expected)
    np.testing.assert_array_equal(again, painted[0])
    assert len(np.unique(expected)) > 2, "the program leaves the paper white: nothing was compared"


def test_seeds_are_taken_one_for_each_canvas(channel: grpc.Channel) -> None:
    stream = Stream(channel).open(2)
    np.testing.assert_array_equal(stream.reset((7, -9)), stream.reset())
    stream.close()


def test_messages_of_more_than_4_mib_travel(channel: grpc.Channel) -> None:
    settings = {"grid": 8, "colour": True}
    program = make_program(2, 1, 400, settings)
    stream = Stream(channel).open(400, settings)
    painted = stream.paint(program)
    stream.close()
    assert painted[1].nbytes > 4 << 20
    np.testing.assert_array_equal(painted, paint_here(program, settings))


@pytest.mark.parametrize(
    ("engine", "text", "sentence"),
    [
        ("crayon", "", 'engine: "crayon" is unknown; known engines: mypaint'),
        ("", "", 'engine: "" is unknown'),
        ("mypaint", "{", "settings_json: not JSON"),
        ("mypaint", "[1]", "settings_json: found list; expected a JSON object"),
        ("mypaint", "[" * 100_000, "settings_json: not JSON"),
        ("mypaint", '{"gird": 8}', "gird"),
        ("mypaint", '{"grid": 3}', "grid: expected 4…1024 places each way, but it is 3"),
        ("mypaint", '{"view": 31}', "view: 31 does not divide the canvas"),
        ("mypaint", '{"brush": "classic/broom"}', "classic/broom"),
        ("mypaint", '{"brush_sizes": [NaN]}', "brush_sizes"),
    ],
)
def test_wrong_engines_and_settings_are_named(
    channel: grpc.Channel, stub: renderer_pb2_grpc.RendererServiceStub, engine: str, text: str, sentence: str
) -> None:
    message = program_pb2.EngineSettings(engine=engine, settings_json=text)
    program = program_pb2.Program(engine=message, actions=encode(np.zeros((1, 5), np.int32)))
    with pytest.raises(grpc.RpcError) as described:
        stub.DescribeEngine(renderer_pb2.DescribeEngineRequest(engine=message), timeout=10)
    with pytest.raises(grpc.RpcError) as opened:
        Stream(channel).ask(RolloutRequest(open=OpenCanvases(engine=message, batch=1)))
    with pytest.raises(grpc.RpcError) as rendered:
        list(stub.Render(RenderRequest(program=program), timeout=10))
    for raised in (described, opened, rendered):
        code, details = refused(raised)
        assert code == StatusCode.INVALID_ARGUMENT
        assert sentence in details


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        (RolloutRequest(), "request: the first is empty; expected open"),
        (RolloutRequest(reset=ResetCanvases()), "request: the first is reset; expected open"),
        (RolloutRequest(open=OpenCanvases(engine=GOOD)), "batch: 0 is outside 1…4096"),
        (RolloutRequest(open=OpenCanvases(engine=GOOD, batch=4097)), "batch: 4097 is outside 1…4096"),
        (
            RolloutRequest(open=OpenCanvases(engine=settings_to_proto("mypaint", {"canvas": 8192}), batch=4096)),
            "batch: 4096 observations of [8192, 8192, 1] have 274877906944 bytes, but a message has at most",
        ),
    ],
)
def test_a_stream_that_opens_wrongly_is_refused(channel: grpc.Channel, request_: RolloutRequest, sentence: str) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        Stream(channel).ask(request_)
    code, details = refused(raised)
    assert code == StatusCode.INVALID_ARGUMENT
    assert details.startswith(sentence)


def _step(**fields: object) -> RolloutRequest:
    good = {"dtype": tensor_pb2.DATA_TYPE_INT32, "shape": [2, 5], "data": bytes(40)}
    return RolloutRequest(step=StepCanvases(actions=tensor_pb2.Tensor(**(good | fields))))  # type: ignore[arg-type]


def _act(component: int, value: int) -> RolloutRequest:
    actions = np.zeros((2, 5), np.int32)
    actions[1, component] = value
    return RolloutRequest(step=StepCanvases(actions=encode(actions)))


BAD_REQUESTS = [
    (RolloutRequest(), "request: a later one is empty; expected reset or step"),
    (
        RolloutRequest(open=OpenCanvases(engine=GOOD, batch=2)),
        "request: a later one is open; expected reset or step",
    ),
    (RolloutRequest(reset=ResetCanvases(seeds=[1])), "seeds: 1 seeds; expected 2 (one for each canvas) or none"),
    (RolloutRequest(step=StepCanvases()), "actions: elements are data type 0; expected int32"),
    (_step(dtype=tensor_pb2.DATA_TYPE_INT64), "actions: elements are int64; expected int32"),
    (_step(shape=[2, 4]), "actions: shape is [2, 4]; expected [2, 5]"),
    (_step(shape=[3, 5]), "actions: shape is [3, 5]; expected [2, 5]"),
    (_step(shape=[10]), "actions: shape is [10]; expected [2, 5]"),
    (_step(data=bytes(39)), "actions: 39 bytes, but shape [2, 5] of int32 has 40"),
    (_act(0, 2), "flag: 2 is outside 0…1"),
    (_act(1, 64), "end: 64 is outside 0…63"),
    (_act(2, -1), "control: -1 is outside 0…63"),
    (_act(3, 4), "size: 4 is outside 0…3"),
    (_act(4, 2**31 - 1), "pressure: 2147483647 is outside 0…9"),
]


@pytest.mark.parametrize(("request_", "sentence"), BAD_REQUESTS)
def test_a_bad_request_names_its_field_and_ends_its_own_stream_only(
    channel: grpc.Channel, request_: RolloutRequest, sentence: str
) -> None:
    program = make_program(3, 4, 2)
    neighbour = Stream(channel).open(2)
    frames = [neighbour.reset(), *(neighbour.step(actions) for actions in program[:2])]
    with pytest.raises(grpc.RpcError) as raised:
        Stream(channel).open(2).ask(request_)
    frames += [neighbour.step(actions) for actions in program[2:]]
    neighbour.close()
    code, details = refused(raised)
    assert code == StatusCode.INVALID_ARGUMENT
    assert details.startswith(sentence)
    np.testing.assert_array_equal(np.stack(frames), paint_here(program))


def test_a_program_is_rendered_at_any_scale(stub: renderer_pb2_grpc.RendererServiceStub) -> None:
    program = make_program(4, 7, 1)
    message = program_pb2.Program(engine=GOOD, actions=encode(program[:, 0]))
    for scale in (0, 1, 2):
        answers = list(stub.Render(RenderRequest(program=message, scale=scale, every=3), timeout=60))
        engine = create("mypaint", {"grid": 8}).scaled(max(scale, 1))
        expected = paint_here(program, engine=engine)[:, 0]
        assert [answer.step for answer in answers] == [3, 6, 7]
        for answer in answers:
            np.testing.assert_array_equal(
                decode(answer.frame, "frame", np.uint8, engine.canvas_shape), expected[answer.step]
            )
    (last,) = stub.Render(RenderRequest(program=message), timeout=60)
    assert last.step == 7


@pytest.mark.parametrize(
    ("actions", "scale", "sentence"),
    [
        (np.zeros((1, 5), np.int32), 17, "scale: 17 is outside 1…16"),
        (np.zeros((0, 5), np.int32), 1, "program.actions: 0 actions are outside 1…10000"),
        (np.zeros((10_001, 5), np.int32), 1, "program.actions: 10001 actions are outside 1…10000"),
        (np.zeros((1, 4), np.int32), 1, "program.actions: shape is [1, 4]; expected [any, 5]"),
        (np.zeros((1, 5), np.float32), 1, "program.actions: elements are float32; expected int32"),
        (np.full((1, 5), 2, np.int32), 1, "flag: 2 is outside 0…1"),
    ],
)
def test_a_wrong_program_is_refused(
    stub: renderer_pb2_grpc.RendererServiceStub, actions: np.ndarray, scale: int, sentence: str
) -> None:
    request = RenderRequest(program=program_pb2.Program(engine=GOOD, actions=encode(actions)), scale=scale)
    with pytest.raises(grpc.RpcError) as raised:
        list(stub.Render(request, timeout=10))
    code, details = refused(raised)
    assert code == StatusCode.INVALID_ARGUMENT
    assert details.startswith(sentence)


def test_frames_that_no_message_holds_are_refused_before_anything_is_painted(
    stub: renderer_pb2_grpc.RendererServiceStub, info: info_pb2.GetInfoResponse
) -> None:
    engine = settings_to_proto("mypaint", {"grid": 8, "canvas": 1024, "colour": True})
    program = program_pb2.Program(engine=engine, actions=encode(np.zeros((1, 8), np.int32)))
    with pytest.raises(grpc.RpcError) as raised:
        list(stub.Render(RenderRequest(program=program, scale=5), timeout=10))
    code, details = refused(raised)
    assert code == StatusCode.INVALID_ARGUMENT
    assert details.startswith("scale: 5 makes frames of [5120, 5120, 3], 78643200 bytes, but a message has at most")


# A brush of many dabs: a step of 512 canvases is many seconds of work.
SLOW = {"brush": "tanda/water-05", "view": 8, "brush_sizes": [30.0], "pressure": False}


def test_a_step_ends_with_the_call_and_after_its_time(tmp_path: Path) -> None:
    metrics, streams, stuck = new_metrics("renderer"), Streams(1), SimpleQueue[str]()
    overruns = Overruns(0.5, stuck.put)
    server = Server(f"unix:{tmp_path}/r", 4, [StatusInterceptor()])
    renderer_pb2_grpc.add_RendererServiceServicer_to_server(
        Renderer(streams, 1, metrics, 60.0, overruns, draining=lambda: False), server
    )
    server.start()
    step = RolloutRequest(step=StepCanvases(actions=encode(np.tile(np.int32([1, 1023, 31]), (512, 1)))))
    with rpc.connect(server.address) as channel, ThreadPoolExecutor() as pool:
        stream = Stream(channel).open(512, SLOW)
        answer = pool.submit(stream.ask, step)
        until(lambda: overruns.check() or answer.done(), "the step to be ended")
        assert answer.exception().code() == StatusCode.DEADLINE_EXCEEDED
        assert "for more than 0.5 s (--work-s)" in answer.exception().details()
        until(lambda: streams.count == 0, "the place to be free")
        stream = Stream(channel).open(512, SLOW)
        answer = pool.submit(stream.ask, step)
        until(lambda: overruns.busy, "the step to begin")
        stream.cancel()
        until(lambda: streams.count == 0, "the step to end with its call")
    server.close(0)
    assert stuck.empty()


def test_streams_beyond_the_limit_are_refused_while_health_answers(
    channel: grpc.Channel, stub: renderer_pb2_grpc.RendererServiceStub
) -> None:
    streams = [until(lambda: _opened(channel), "a free stream") for _ in range(MAX_STREAMS)]
    with pytest.raises(grpc.RpcError) as raised:
        Stream(channel).open(1)
    code, details = refused(raised)
    assert code == StatusCode.RESOURCE_EXHAUSTED
    assert details.startswith(f"all {MAX_STREAMS} streams of this renderer are open")
    assert ("grpc-retry-pushback-ms", "1000") in [tuple(pair) for pair in raised.value.trailing_metadata()]
    health = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=10)
    assert health.status == SERVING
    stub.DescribeEngine(renderer_pb2.DescribeEngineRequest(engine=GOOD), timeout=10)
    for stream in streams:
        stream.reset()
        stream.close()
    replacement = until(lambda: _opened(channel), "a stream to be free again")
    replacement.close()


def _opened(channel: grpc.Channel) -> Stream | None:
    """A stream, or None while those of other tests are still ending."""
    try:
        return Stream(channel).open(1)
    except grpc.RpcError as error:
        if error.code() != StatusCode.RESOURCE_EXHAUSTED:  # type: ignore[attr-defined]
            raise
        return None


def test_a_stream_that_asks_nothing_ends_well(channel: grpc.Channel) -> None:
    Stream(channel).close()


def test_a_stream_whose_caller_is_silent_is_ended_and_its_place_is_free(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    metrics, streams = new_metrics("renderer"), Streams(1)
    server = Server(f"unix:{tmp_path}/r", 4, [StatusInterceptor()])
    renderer_pb2_grpc.add_RendererServiceServicer_to_server(
        Renderer(streams, 1, metrics, 0.2, Overruns(60.0, print), draining=lambda: False), server
    )
    server.start()
    with rpc.connect(server.address) as channel:
        stream = Stream(channel).open(2)
        with pytest.raises(grpc.RpcError) as raised:
            stream.wait()
        assert raised.value.code() == StatusCode.CANCELLED
        until(lambda: streams.count == 0, "the place to be free")
        Stream(channel).open(2).cancel()
    server.close(0)
    assert metrics.registry.get_sample_value("spiral_renderer_idle_total") == 1
    assert "ended a call whose caller was silent for 0.2 s" in caplog.text
    assert not [record for record in caplog.records if record.levelno > logging.WARNING], "nothing else went wrong"


def test_the_renderer_needs_no_torch() -> None:
    code = "import sys, spiral.services.renderer.__main__; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
