"""Forwards addresses of this machine to ports of the cluster."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import aiohttp
from kubernetes.aio.client import ApiException, V1Pod

from spiral.kubernetes.cluster import Cluster
from spiral.kubernetes.errors import ClusterError
from spiral.kubernetes.listing import list_all
from spiral.kubernetes.sockets import CHUNK_BYTES, V4, open_socket
from spiral.kubernetes.workloads import require_namespace
from spiral.wire.edges import METRICS_PORT, PORTS, SERVICES

GRAFANA, PROMETHEUS = ("grafana", 3000), ("prometheus", 9090)
DATA, PROBLEM = 0, 1
"""Channels of a port: its data, and its errors."""

Say = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class Target:
    """One port of a Service in the cluster, and its local port."""

    service: str
    port: int
    local_port: int
    web: bool = False
    """Whether a browser can open it."""


def parse_targets(words: Sequence[str]) -> list[Target]:
    """``metrics``, ``grpc``, ``grafana``, ``prometheus`` or ``NAME:PORT``; ValueError with a sentence."""
    targets: list[Target] = []
    for word in words:
        if word == "metrics":
            targets += [Target(s, METRICS_PORT, METRICS_PORT + i, web=True) for i, s in enumerate(SERVICES)]
        elif word == "grpc":
            targets += [Target(service, PORTS[service], PORTS[service]) for service in SERVICES]
        elif word in {GRAFANA[0], PROMETHEUS[0]}:
            name, port = GRAFANA if word == GRAFANA[0] else PROMETHEUS
            targets.append(Target(name, port, port, web=True))
        elif named := re.fullmatch(r"([a-z][a-z0-9-]*):([0-9]{1,5})", word):
            port = int(named[2])
            if not 1 <= port <= 65535:
                raise ValueError(f"port-forward: {word}: a port is 1 to 65535")
            targets.append(Target(named[1], port, port))
        else:
            raise ValueError(
                f'port-forward: "{word}" is unknown; expected metrics, grafana, prometheus, grpc or SERVICE:PORT '
                "(for example learner:50053)"
            )
    return targets


async def forward(cluster: Cluster, targets: Sequence[Target], address: str, say: Say, warn: Say) -> None:
    """Listen for all targets until cancelled. ClusterError if a target does not exist, ValueError if it can't listen.

    Each connection finds a pod again, so a replaced pod only costs its own connections.
    """
    for target in targets:
        await find_pod(cluster, target)
    servers: list[asyncio.Server] = []
    try:
        for target in targets:
            server, port = await _listen(cluster, target, address, warn)
            servers.append(server)
            where = f"http://{address}:{port}" if target.web else f"{address}:{port}"
            say(f"{target.service} {target.port} is at {where}")
        say("Ctrl-C ends it")
        await asyncio.gather(*(server.serve_forever() for server in servers))
    finally:
        for server in servers:
            server.close()


async def find_pod(cluster: Cluster, target: Target) -> tuple[str, int]:
    """A pod behind the Service, ready if there is one, and its port; ClusterError if there is none."""
    try:
        service = await cluster.core.read_namespaced_service(target.service, cluster.namespace)
    except ApiException as error:
        if error.status == 404:
            await require_namespace(cluster)
            if target.service in {GRAFANA[0], PROMETHEUS[0]}:
                raise ClusterError(
                    f'there is no service "{target.service}" in namespace "{cluster.namespace}"; it comes with the '
                    "component monitoring: add it to the kustomization, see k8s/components/monitoring/README.md"
                ) from error
        raise
    selector = ",".join(f"{key}={value}" for key, value in (service.spec.selector or {}).items())
    pods, _ = await list_all(cluster.core.list_namespaced_pod, cluster.namespace, label_selector=selector)
    alive = [pod for pod in pods if pod.status.phase == "Running" and pod.metadata.deletion_timestamp is None]
    if not alive:
        raise ClusterError(f"no pod of {target.service} runs; `spiral k8s doctor` says why")
    pod = max(alive, key=_is_ready)
    return str(pod.metadata.name), _pod_port(service, pod, target)


def _is_ready(pod: V1Pod) -> bool:
    return any(c.type == "Ready" and c.status == "True" for c in pod.status.conditions or [])


def _pod_port(service: Any, pod: V1Pod, target: Target) -> int:
    """The pod's port for the Service's port; a port that the Service lacks is taken for the pod's own."""
    wanted = next((p.target_port for p in service.spec.ports or [] if p.port == target.port), None)
    inner = getattr(wanted, "actual_instance", wanted)
    if isinstance(inner, int):
        return inner
    for container in pod.spec.containers:
        for port in container.ports or []:
            if inner is not None and port.name == str(inner):
                return int(port.container_port)
    return int(inner) if inner is not None and str(inner).isdigit() else target.port


async def _listen(cluster: Cluster, target: Target, address: str, warn: Say) -> tuple[asyncio.Server, int]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await _carry(cluster, target, reader, writer)
        except (TimeoutError, ClusterError, ApiException, OSError, aiohttp.ClientError) as error:
            reason = error.reason if isinstance(error, ApiException) else str(error) or type(error).__name__
            warn(f"{target.service} {target.port}: {reason}")
        finally:
            writer.close()

    try:
        server = await asyncio.start_server(serve, address, target.local_port)
    except OSError:
        try:
            server = await asyncio.start_server(serve, address, 0)
        except OSError as error:
            raise ValueError(f"address: {address} can't be listened on: {error.strerror or error}") from error
        warn(f"port {target.local_port} of this machine is in use, another is taken for {target.service}")
    return server, int(server.sockets[0].getsockname()[1])


async def _carry(cluster: Cluster, target: Target, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Carry one connection in both directions until both ends have closed."""
    pod, port = await find_pod(cluster, target)
    async with open_socket(cluster, pod, "portforward", {"ports": port}, (V4,)) as socket:
        upload = asyncio.create_task(_upload(reader, socket))
        begun: set[int] = set()
        try:
            async for message in socket:
                if message.type is not aiohttp.WSMsgType.BINARY or not message.data:
                    continue
                channel, data = message.data[0], message.data[1:]
                if channel not in begun:
                    begun.add(channel)  # the first message of a channel is the port's number
                elif channel == DATA:
                    writer.write(data)
                    await writer.drain()
                elif channel == PROBLEM:
                    raise ClusterError(" ".join(data.decode(errors="replace").split()))
        finally:
            upload.cancel()
            with suppress(asyncio.CancelledError, OSError, aiohttp.ClientError):
                await upload


async def _upload(reader: asyncio.StreamReader, socket: aiohttp.ClientWebSocketResponse) -> None:
    while data := await reader.read(CHUNK_BYTES):
        await socket.send_bytes(bytes([DATA]) + data)
    # The protocol has no half-closed ports: a client that closes its end gets no more data.
    await socket.close()
