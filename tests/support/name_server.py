"""A name that leads where a test says, and channels that ask for it as those of a service in a cluster do."""

from __future__ import annotations

from typing import Self

import grpc
import grpc.aio

from cluster.nameserver import NameServer
from spiral.wire import rpc
from tests.support.processes import free_port


class Name:
    """The name ``peer``, asked for at a name server of its own."""

    def __init__(self, scheme: str = "dns:///") -> None:
        """``scheme`` is how addresses of this name are written: with it, clients balance."""
        self.port = free_port()
        """Where whoever it leads to listens."""
        self.hosts: set[str] = set()
        """Where it leads; at first nowhere."""
        self.connected = 0
        """Channels made so far."""
        names_port = free_port()
        self._names = NameServer("127.0.0.1", lambda name: sorted(self.hosts), names_port)
        self._target = f"dns://127.0.0.1:{names_port}/peer:{self.port}"
        self._options = rpc.client_options(f"{scheme}peer:{self.port}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._names.close()

    def move(self, host: str) -> str:
        """From now on it leads to ``host`` alone; the address to listen at."""
        self.hosts.clear()
        return self.lead(host)

    def lead(self, host: str = "127.0.1.1") -> str:
        """From now on it leads to ``host`` too; the address to listen at."""
        self.hosts.add(host)
        return f"{host}:{self.port}"

    def connect(self) -> grpc.Channel:
        """As :func:`spiral.wire.rpc.connect`."""
        self.connected += 1
        return grpc.insecure_channel(self._target, self._options)

    def connect_async(self) -> grpc.aio.Channel:
        """As :func:`spiral.wire.rpc.connect_async`."""
        self.connected += 1
        return grpc.aio.insecure_channel(self._target, self._options)
