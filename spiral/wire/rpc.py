"""gRPC channels with the project's settings, and the limits that both ends share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import grpc
import grpc.aio

from spiral.values import strict_json
from spiral.wire.addresses import check_address, socket_path
from spiral.wire.tls import Identity

# 4,096 RGB observations of 64×64 and their action fit; gRPC's own limit is 4 MiB.
MAX_MESSAGE_BYTES = 64 << 20
# Size of the chunks in which weights and pictures are streamed: far below gRPC's 4 MiB, so that other calls get their
# turn in between. The protos say so.
MAX_CHUNK_BYTES = 1 << 20
# A dead peer is noticed after 20 + 10 s even if no call is in progress.
KEEPALIVE_MS, KEEPALIVE_TIMEOUT_MS = 20_000, 10_000
# A service that restarts on this machine is back within a second; gRPC's own first wait is a second, the longest two
# minutes.
RECONNECT_MIN_MS, RECONNECT_MAX_MS = 100, 2_000

# A name is resolved again when a connection ends or can't be made, at most this often. With gRPC's own limit, once in
# 30 s, a replaced pod was found up to 30 s after it was ready.
RESOLVE_AGAIN_MS = 1_000

Options = Sequence[tuple[str, Any]]

MESSAGE_OPTIONS: Options = (
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
)
KEEPALIVE_OPTIONS: Options = (
    ("grpc.keepalive_time_ms", KEEPALIVE_MS),
    ("grpc.keepalive_timeout_ms", KEEPALIVE_TIMEOUT_MS),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
)


def client_options(address: str) -> Options:
    """Settings of a channel to ``address``; behind a DNS name it balances over the servers that report SERVING."""
    options = [
        *MESSAGE_OPTIONS,
        *KEEPALIVE_OPTIONS,
        ("grpc.min_reconnect_backoff_ms", RECONNECT_MIN_MS),
        ("grpc.initial_reconnect_backoff_ms", RECONNECT_MIN_MS),
        ("grpc.max_reconnect_backoff_ms", RECONNECT_MAX_MS),
        # Each channel has its own connection: streams spread, and closing one channel ends no other's streams.
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.dns_min_time_between_resolutions_ms", RESOLVE_AGAIN_MS),
    ]
    if socket_path(address) is not None:
        # A certificate can't be valid for a path, and only this host has the socket.
        options.append(("grpc.default_authority", "localhost"))
    if address.startswith("dns:///"):
        service_config = {"loadBalancingConfig": [{"round_robin": {}}], "healthCheckConfig": {"serviceName": ""}}
        options.append(("grpc.service_config", strict_json.exact(service_config)))
    return options


def connect(address: str, identity: Identity | None = None) -> grpc.Channel:
    """Open a channel, over TLS with ``identity``; returns at once. ValueError if ``address`` is not valid."""
    options = client_options(check_address(address))
    if identity is not None:
        return grpc.secure_channel(address, identity.channel(), options)
    return grpc.insecure_channel(address, options)


def connect_async(address: str, identity: Identity | None = None) -> grpc.aio.Channel:
    """Open a channel for asyncio; otherwise as :func:`connect`."""
    options = client_options(check_address(address))
    if identity is not None:
        return grpc.aio.secure_channel(address, identity.channel(), options)
    return grpc.aio.insecure_channel(address, options)
