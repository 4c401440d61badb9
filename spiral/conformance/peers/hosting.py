"""A gRPC server of a service that the suite plays: with GetInfo and health, as any peer may ask."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from grpc_health.v1 import health_pb2_grpc

from spiral.v1 import info_pb2_grpc
from spiral.wire.addresses import socket_path
from spiral.wire.edges import Service
from spiral.wire.health import Health
from spiral.wire.info import Info
from spiral.wire.interceptor import StatusInterceptor
from spiral.wire.server import Server
from spiral.wire.tls import Identity

WORKERS = 24
"""An actor keeps a stream for each of its groups, and one more while it replaces one."""


@contextmanager
def hosted(
    service: Service,
    address: str,
    identity: Identity | None,
    add: Callable[[Server], object],
    capabilities: Sequence[str] = (),
    max_streams: int = 0,
) -> Iterator[tuple[str, Info]]:
    """Serve for this block what ``add`` registers; its address, with the real port, and its GetInfo."""
    server = Server(address, WORKERS, [StatusInterceptor()], identity)
    info, health = Info(service, capabilities, max_streams), Health()
    add(server)
    info_pb2_grpc.add_InfoServiceServicer_to_server(info, server)
    names = list(server.service_names)
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    server.start()
    health.serve(names)
    try:
        yield server.address, info
    finally:
        server.close(0)


def beside(address: str, name: str) -> str:
    """Where the suite listens for a target at ``address``: a socket in the same folder, or a free port."""
    path = socket_path(address)
    return f"unix:{path}-{name}" if path is not None else "127.0.0.1:0"
