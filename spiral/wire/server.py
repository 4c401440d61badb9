"""A gRPC server that refuses to share its address."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from concurrent import futures
from typing import Any

import grpc

from spiral.wire.addresses import check_address, socket_path
from spiral.wire.locks import SocketLock
from spiral.wire.rpc import KEEPALIVE_MS, KEEPALIVE_OPTIONS, MESSAGE_OPTIONS, Options
from spiral.wire.tls import Identity

# A channel asks DNS again only when a connection ends. So connections end after this time, and new pods get work.
MAX_CONNECTION_AGE_MS = 15_000
# Longer than an actor's stream lives (20 s with jitter), and as long as a long episode may take if its actor waits for
# its turn, so that retiring a connection never breaks an episode. Meanwhile new calls use a new connection.
MAX_CONNECTION_AGE_GRACE_MS = 900_000


class Server(grpc.Server):
    """A gRPC server that is bound to one address and knows the names of its services::

    server = Server("127.0.0.1:0", workers=8)
    add_RendererServiceServicer_to_server(servicer, server)
    server.start()
    print(server.address)
    """

    def __init__(
        self,
        address: str,
        workers: int,
        interceptors: Iterable[grpc.ServerInterceptor] = (),
        identity: Identity | None = None,
    ) -> None:
        """Bind to ``host:port`` (port 0: a free one) or ``unix:/path``, and answer with ``workers`` threads.

        With ``identity`` it uses TLS and accepts only clients with a certificate of the same authority.
        Raises ValueError, with a sentence, if the address is in use or not valid.
        """
        path = socket_path(check_address(address))
        self._lock = SocketLock(path) if path else None
        self._server = grpc.server(
            futures.ThreadPoolExecutor(workers, thread_name_prefix="grpc"),
            interceptors=list(interceptors),
            options=_options(tcp=path is None),
        )
        self.service_names: list[str] = []
        """Full names of the services added so far, for reflection and health."""
        try:
            if identity is not None:
                port = self._server.add_secure_port(address, identity.server())
            else:
                port = self._server.add_insecure_port(address)
        except RuntimeError as error:
            self._unlock()
            raise ValueError(
                f"{address}: can't be listened on, it is probably in use; expected a free address"
            ) from error
        self.address = address if path else f"{address.rpartition(':')[0]}:{port}"
        """The address that it listens on, with the real port."""

    def add_generic_rpc_handlers(self, generic_rpc_handlers: Iterable[grpc.GenericRpcHandler]) -> None:
        """Register a service; called by the generated ``add_…_to_server``."""
        handlers = tuple(generic_rpc_handlers)
        names = (h.service_name() for h in handlers if isinstance(h, grpc.ServiceRpcHandler))
        self.service_names += [name for name in names if name]
        self._server.add_generic_rpc_handlers(handlers)

    def add_registered_method_handlers(
        self, service_name: str, method_handlers: Mapping[str, grpc.RpcMethodHandler[Any, Any]]
    ) -> None:
        """Register a service's methods; called by the generated ``add_…_to_server``."""
        # Interceptors only see generic handlers, so the registered ones, a faster lookup of the same, stay unused.

    def add_insecure_port(self, address: str) -> int:
        """Not supported: a server has only the address that it was created with."""
        raise NotImplementedError("a Server listens on one address; make another Server")

    def add_secure_port(self, address: str, server_credentials: grpc.ServerCredentials) -> int:
        """Not supported: a server has only the address that it was created with."""
        raise NotImplementedError("a Server listens on one address; make another Server")

    def start(self) -> None:
        """Begin to answer."""
        self._server.start()

    def stop(self, grace: float | None = None) -> threading.Event:
        """Refuse new calls and end those that outlast ``grace`` seconds; the event is set when all have ended."""
        return self._server.stop(grace)

    def wait_for_termination(self, timeout: float | None = None) -> bool:
        """Wait until it has stopped; True if it has not stopped within ``timeout`` seconds."""
        return self._server.wait_for_termination(timeout)

    def close(self, grace: float | None = None) -> None:
        """Stop, wait for the end of all calls and free the address."""
        self.stop(grace).wait()
        self._unlock()

    def _unlock(self) -> None:
        if self._lock:
            self._lock.close()


def _options(tcp: bool) -> Options:
    ages: Sequence[tuple[str, Any]] = (
        ("grpc.max_connection_age_ms", MAX_CONNECTION_AGE_MS),
        ("grpc.max_connection_age_grace_ms", MAX_CONNECTION_AGE_GRACE_MS),
    )
    return [
        *MESSAGE_OPTIONS,
        *KEEPALIVE_OPTIONS,
        # gRPC's default silently lets a second server take half of the first one's connections.
        ("grpc.so_reuseport", 0),
        # Clients ping every KEEPALIVE_MS; by default a server hangs up on clients that ping so often.
        ("grpc.http2.min_ping_interval_without_data_ms", KEEPALIVE_MS // 2),
        *(ages if tcp else ()),
    ]
