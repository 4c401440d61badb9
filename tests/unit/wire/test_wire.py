"""The kit that services talk with: addresses, locks, sockets, the guard, and the table of edges."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import grpc
import pytest
import zmq
from grpc import StatusCode
from grpc_health.v1 import health_pb2
from hypothesis import given
from hypothesis import strategies as st

from spiral.engines.description import EngineDescription
from spiral.v1 import discriminator_pb2, info_pb2, learner_pb2, renderer_pb2, trajectory_pb2
from spiral.values.actions import ActionSpec, Component
from spiral.values.versions import Version
from spiral.wire import contract, rpc, sockets
from spiral.wire.addresses import check_address, socket_path, zmq_endpoint
from spiral.wire.edges import EDGES, PORTS, SERVICES, peers
from spiral.wire.error_details import CUT, fit, travelling_bytes
from spiral.wire.health import LIVENESS, TICK_LIMIT_S, Health
from spiral.wire.interceptor import StatusError, StatusInterceptor
from spiral.wire.locks import SocketLock
from spiral.wire.server import Server
from tests.support.processes import until

PATIENCE_MS = 60_000


@pytest.fixture
def context() -> Iterator[zmq.Context[zmq.Socket[bytes]]]:
    with zmq.Context() as made:
        yield made


@pytest.mark.parametrize(
    ("address", "path", "endpoint"),
    [
        ("127.0.0.1:1", None, "tcp://127.0.0.1:1"),
        ("[::1]:65535", None, "tcp://[::1]:65535"),
        ("dns:///spiral-learner:50055", None, "tcp://spiral-learner:50055"),
        ("unix:/run/r.sock", "/run/r.sock", "ipc:///run/r.sock"),
        ("unix:///run/r.sock", "/run/r.sock", "ipc:///run/r.sock"),
        ("ipc:///run/r.sock", "/run/r.sock", "ipc:///run/r.sock"),
    ],
)
def test_addresses_are_spelled_one_way_for_all(address: str, path: str | None, endpoint: str) -> None:
    assert check_address(address) == address
    assert socket_path(address) == path
    assert zmq_endpoint(address) == endpoint


@pytest.mark.parametrize("address", ["", "host", "host:", ":1", "host:x", "host:65536", "unix:", "unix:a", "a b:1"])
def test_what_is_no_address_is_a_sentence_with_the_options_name(address: str) -> None:
    with pytest.raises(ValueError, match=r"^renderer: "):
        check_address(address, "renderer")


def test_a_lock_is_held_once_and_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with SocketLock(str(path)):
        path.touch()
        with pytest.raises(ValueError, match=f"{path}: another server is listening on this socket"):
            SocketLock(str(path))
    assert not list(tmp_path.iterdir())
    SocketLock(str(path)).close()


def test_a_lock_ends_with_its_process(tmp_path: Path) -> None:
    code = "import os, sys; from spiral.wire.locks import SocketLock; SocketLock(sys.argv[1]); os._exit(0)"
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "s")], check=True)
    assert (tmp_path / "s.lock").exists()
    SocketLock(str(tmp_path / "s")).close()


@pytest.mark.parametrize("kind", ["unix", "tcp"])
def test_a_second_router_is_refused(context: zmq.Context[zmq.Socket[bytes]], tmp_path: Path, kind: str) -> None:
    with sockets.router(context, f"unix:{tmp_path}/d" if kind == "unix" else "127.0.0.1:0") as router:
        with pytest.raises(ValueError, match=r"another server is listening|can't be listened on \(Address already in"):
            sockets.router(context, router.address)
        with sockets.dealer(context, router.address) as dealer:
            dealer.send_multipart([b"header", b"tensor"])
            assert router.socket.poll(PATIENCE_MS)
            assert router.socket.recv_multipart()[1:] == [b"header", b"tensor"]
    assert not list(tmp_path.iterdir())


def test_no_more_than_a_few_trajectories_are_under_way(context: zmq.Context[zmq.Socket[bytes]], tmp_path: Path) -> None:
    with (
        sockets.router(context, f"unix:{tmp_path}/d") as router,
        sockets.dealer(context, router.address) as dealer,
    ):
        dealer.send(b"x" * 4_000_000)
        assert router.socket.poll(PATIENCE_MS), "they are connected now"
        sent = 1
        # Writable within a second, or full: all that may wait here, there and in the kernel is on its way.
        while dealer.poll(1000, zmq.POLLOUT):
            dealer.send(b"x" * 4_000_000)
            sent += 1
            assert sent < 20
        assert sent >= sockets.TRAJECTORIES


def test_an_answer_to_an_actor_that_is_gone_is_an_error(
    context: zmq.Context[zmq.Socket[bytes]], tmp_path: Path
) -> None:
    with sockets.router(context, f"unix:{tmp_path}/d") as router:
        with sockets.dealer(context, router.address) as dealer:
            dealer.send(b"hello")
            assert router.socket.poll(PATIENCE_MS)
            identity, _ = router.socket.recv_multipart()

        def unreachable() -> bool:
            try:
                router.socket.send_multipart([identity, b"welcome"])
            except zmq.ZMQError as error:
                return error.errno == zmq.EHOSTUNREACH
            return False

        until(unreachable, "the router to see the connection end")


class Failing:
    """A method that raises what the request names."""

    def __init__(self) -> None:
        self.errors = {
            b"value": ValueError("batch: 0 is too few"),
            b"status": StatusError(StatusCode.RESOURCE_EXHAUSTED, "full", retry_after_ms=250),
            b"bug": KeyError("oops"),
            b"long": ValueError("é" * 20_000),
        }

    def single(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        if request == b"abort":
            context.abort(StatusCode.NOT_FOUND, "by hand")
        if request in self.errors:
            raise self.errors[request]
        return request

    def stream(self, request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
        yield b"first"
        yield self.single(request, context)


@pytest.fixture(scope="module")
def failing() -> Iterator[grpc.Channel]:
    server = Server("127.0.0.1:0", 4, [StatusInterceptor()])
    methods = {
        "Single": grpc.unary_unary_rpc_method_handler(Failing().single),
        "Stream": grpc.unary_stream_rpc_method_handler(Failing().stream),
    }
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("test.Failing", methods)])
    server.start()
    assert server.service_names == ["test.Failing"]
    with rpc.connect(server.address) as channel:
        yield channel
    server.close()


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize(
    ("request_", "code", "details"),
    [
        (b"value", StatusCode.INVALID_ARGUMENT, "batch: 0 is too few"),
        (b"status", StatusCode.RESOURCE_EXHAUSTED, "full"),
        (b"bug", StatusCode.INTERNAL, "KeyError: 'oops'"),
        (b"abort", StatusCode.NOT_FOUND, "by hand"),
    ],
)
def test_what_a_servicer_raises_is_a_status(
    failing: grpc.Channel, streaming: bool, request_: bytes, code: StatusCode, details: str
) -> None:
    def call() -> None:
        if streaming:
            list(failing.unary_stream("/test.Failing/Stream")(request_, timeout=60))
        else:
            failing.unary_unary("/test.Failing/Single")(request_, timeout=60)

    with pytest.raises(grpc.RpcError) as raised:
        call()
    assert (raised.value.code(), raised.value.details()) == (code, details)
    pushback = [value for key, value in raised.value.trailing_metadata() if key == "grpc-retry-pushback-ms"]
    assert pushback == (["250"] if request_ == b"status" else [])


@pytest.mark.parametrize(
    ("text", "fitted"),
    [
        ("a" * 4096, "a" * 4096),
        ("a" * 4097, "a" * 4080 + CUT),
        ("%" * 1366, "%" * 1360 + CUT),
        ("é" * 20_000, "é" * 680 + CUT),
        ("xx\N{WAXING CRESCENT MOON SYMBOL}" * 999, "xx\N{WAXING CRESCENT MOON SYMBOL}" * 291 + "xx" + CUT),
        ("a file \udcff", "a file ?"),
    ],
)
def test_a_sentence_is_cut_to_what_travels(text: str, fitted: str) -> None:
    assert fit(text) == fitted
    assert travelling_bytes(fitted) <= 4096


def test_a_long_sentence_arrives_with_its_status(failing: grpc.Channel) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        failing.unary_unary("/test.Failing/Single")(b"long", timeout=60)
    assert raised.value.code() == StatusCode.INVALID_ARGUMENT
    assert raised.value.details().endswith(" … (cut)")


def test_what_raises_nothing_passes(failing: grpc.Channel) -> None:
    assert failing.unary_unary("/test.Failing/Single")(b"fine", timeout=60) == b"fine"
    assert list(failing.unary_stream("/test.Failing/Stream")(b"fine", timeout=60)) == [b"first", b"fine"]


def test_liveness_is_the_age_of_the_last_tick() -> None:
    clock = SimpleNamespace(now_s=100.0)
    health = Health(lambda: clock.now_s)

    def alive() -> bool:
        answer = health.Check(health_pb2.HealthCheckRequest(service=LIVENESS), None)  # type: ignore[arg-type]
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

    clock.now_s += TICK_LIMIT_S - 1
    assert alive()
    clock.now_s += 1
    assert not alive()
    health.tick()
    assert alive()


def test_behind_a_dns_name_calls_spread_over_servers_that_serve() -> None:
    options = dict(rpc.client_options("dns:///spiral-renderer:50051"))
    assert json.loads(options["grpc.service_config"])["healthCheckConfig"] == {"serviceName": ""}
    assert "grpc.service_config" not in dict(rpc.client_options("127.0.0.1:50051"))


components = st.builds(
    Component, st.text(min_size=1, max_size=8), st.sampled_from([4, 9, 256]), st.sampled_from(["grid", "choice"])
)


@given(st.lists(components, min_size=1, max_size=6, unique_by=lambda c: c.name), st.randoms(use_true_random=False))
def test_an_action_spec_survives_the_wire(made: list[Component], random: object) -> None:
    rows = [[True] + [random.random() < 0.5 for _ in made[1:]] for _ in range(made[0].size)]  # type: ignore[attr-defined]
    for counts in ((), tuple(map(tuple, rows))):
        spec = ActionSpec(tuple(made), counts)
        message = renderer_pb2.DescribeEngineResponse(action_spec=contract.spec_to_proto(spec)).SerializeToString()
        assert contract.spec_from_proto(renderer_pb2.DescribeEngineResponse.FromString(message).action_spec) == spec


def test_an_engines_description_survives_the_wire_and_one_without_a_picture_is_refused() -> None:
    seen = ((0.1, 1 / 3), (0, 1), (0.25, 0.5), (1, 0))
    spec = ActionSpec((Component("flag", 2, "choice"), Component("end", 4, "grid", seen=seen)))
    described = EngineDescription(spec, (32, 16, 3), (64, 32, 3), "crayons 2")
    message = contract.description_to_proto(described)
    assert contract.description_from_proto(message) == described
    assert EngineDescription.from_json(json.loads(json.dumps(described.to_json()))) == described
    message.action_spec.components[1].seen.pop()
    with pytest.raises(ValueError, match=r"component 'end': seen: 7 numbers are no \(row, column\) pairs"):
        contract.description_from_proto(message)
    message.action_spec.components[1].seen.append(0)
    for shape in ([], [32, 16], [0, 32, 1]):
        message.ClearField("observation_shape")
        message.observation_shape.extend(shape)
        with pytest.raises(ValueError, match=re.escape(f"observation_shape: {shape} is not the shape of a picture")):
            contract.description_from_proto(message)


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))
def test_a_version_survives_the_wire(generation: int, number: int) -> None:
    version = Version(generation, number)
    assert contract.version_from_proto(contract.version_to_proto(version)) == version


@pytest.mark.parametrize("settings", [{}, {"grid": 8}, {"brush": "classic/pen", "canvas": [64, 128], "view": None}])
def test_engine_settings_survive_the_wire(settings: dict[str, object]) -> None:
    message = contract.settings_to_proto("mypaint", settings)
    assert contract.settings_from_proto(message) == ("mypaint", settings)


def test_the_table_of_edges_names_methods_that_exist() -> None:
    files = (renderer_pb2, learner_pb2, discriminator_pb2, info_pb2)
    methods = {
        f"{service.name}.{method.name}"
        for file in files
        for service in file.DESCRIPTOR.services_by_name.values()
        for method in service.methods
    }
    spoken = {edge.says for edge in EDGES if edge.protocol == "grpc"}
    assert spoken == methods - {"RendererService.Render", "InfoService.GetInfo"}, (
        "Render is for people, GetInfo for all"
    )
    for edge in EDGES:
        if edge.protocol == "zmq":
            assert edge.says in trajectory_pb2.DESCRIPTOR.message_types_by_name
        else:
            assert edge.port == PORTS[edge.server]


def test_ports_are_apart_and_data_flows_round() -> None:
    assert set(PORTS) == set(SERVICES)
    assert len({edge.port for edge in EDGES} | set(PORTS.values())) == len(PORTS) + 1
    assert peers("actor") == ("renderer", "learner", "discriminator")
    assert peers("learner") == ("discriminator", "renderer")
    assert peers("renderer") == peers("discriminator") == ()
