"""Addresses as people write them: ``host:port``, ``unix:/path``, ``dns:///name:port``."""

from __future__ import annotations

import re

# sockaddr_un.sun_path has 108 bytes, including the final zero.
MAX_SOCKET_PATH_BYTES = 107

_TCP = re.compile(r"(?P<host>\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._*-]+):(?P<port>\d{1,5})")


def check_address(address: str, name: str = "address") -> str:
    """The address itself; ValueError, which names the option ``name``, if it is not valid."""
    path = socket_path(address)
    if path is not None:
        if not path.startswith("/"):
            raise ValueError(f'{name}: "{address}" has no absolute path; write unix:/run/spiral/renderer.sock')
        if len(path.encode()) > MAX_SOCKET_PATH_BYTES:
            raise ValueError(
                f'{name}: the path of "{address}" has {len(path.encode())} bytes, '
                f"but a socket's path has at most {MAX_SOCKET_PATH_BYTES}"
            )
        return address
    match = _TCP.fullmatch(address.removeprefix("dns:///").removeprefix("tcp://"))
    if match is None:
        raise ValueError(f'{name}: "{address}" is no address; write host:port, unix:/path or dns:///name:port')
    if int(match["port"]) > 65535:
        raise ValueError(f'{name}: port {match["port"]} of "{address}" is outside 0…65535')
    return address


def socket_path(address: str) -> str | None:
    """The file of a Unix socket; None for an address of another kind."""
    for prefix in ("unix://", "unix:", "ipc://"):
        if address.startswith(prefix):
            return address.removeprefix(prefix)
    return None


def split_tcp(address: str) -> tuple[str, int]:
    """Host, without brackets, and port of ``host:port``; ValueError if it is something else."""
    match = _TCP.fullmatch(address)
    if match is None or int(match["port"]) > 65535:
        raise ValueError(f'"{address}" is not host:port with a port in 0…65535')
    return match["host"].strip("[]"), int(match["port"])


def zmq_endpoint(address: str) -> str:
    """The address in ZeroMQ's form: ``ipc:///path`` or ``tcp://host:port``."""
    path = socket_path(check_address(address))
    return f"ipc://{path}" if path else "tcp://" + address.removeprefix("dns:///").removeprefix("tcp://")
