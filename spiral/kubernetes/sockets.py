"""Websockets into a pod: commands with their streams, and ports.

Kubernetes' channel protocol: each message begins with the number of its channel. The client library's own streams keep
all output in memory and can't end a command's input; what goes through here may be larger than memory.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote, urlencode

import aiohttp

from spiral.kubernetes.cluster import ANSWER_S, Cluster
from spiral.kubernetes.errors import ClusterError, TransferError

STDIN, STDOUT, STDERR, ERROR = range(4)
CLOSE = 255
"""v5: the next byte names a channel on which nothing more comes."""
V5, V4 = "v5.channel.k8s.io", "v4.channel.k8s.io"
CHUNK_BYTES = 32 << 10
"""What API servers and kubelets copy at a time."""
KEPT_STDERR = 4096
"""The last bytes of what a command complains of; it is quoted in one sentence."""


class CommandError(ClusterError):
    """A command ran in a pod and failed."""

    def __init__(self, text: str, code: int | None, said: str) -> None:
        super().__init__(text)
        self.code = code
        """Its exit code; None if it could not be started."""
        self.said = said
        """The end of what it wrote on standard error."""


@asynccontextmanager
async def open_socket(
    cluster: Cluster, pod: str, what: str, query: Mapping[str, Any], protocols: Sequence[str]
) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    """A websocket to the sub-resource ``what`` of a pod; ClusterError if it is refused."""
    path = f"/api/v1/namespaces/{quote(cluster.namespace)}/pods/{quote(pod)}/{what}"
    url = f"{cluster.server}{path}?{urlencode(query, doseq=True)}"
    headers: dict[str, str] = {}
    await cluster.api.update_params_for_auth(headers, [], ["BearerToken"], path, "GET", None)
    configuration = cluster.api.configuration
    try:
        socket = await cluster.session.ws_connect(
            url,
            headers=headers,
            protocols=protocols,
            ssl=cluster.api.rest_client.ssl_context,
            server_hostname=configuration.tls_server_name or None,
            proxy=configuration.proxy or None,
            proxy_headers=configuration.proxy_headers or None,
            max_msg_size=0,
            timeout=aiohttp.ClientWSTimeout(ws_close=ANSWER_S),
        )
    except aiohttp.WSServerHandshakeError as error:
        raise _refused(error, pod, what, cluster) from error
    async with socket:
        yield socket


async def execute(
    cluster: Cluster,
    pod: str,
    container: str,
    command: Sequence[str],
    *,
    write: Callable[[bytes], object] | None = None,
    stdin: AsyncIterator[bytes] | None = None,
) -> bytes:
    """Run a command in a container and wait for its end; its output, unless ``write`` takes that piece by piece.

    Raises CommandError if it fails, TransferError if the connection ends before it does.
    A server that speaks v4 only can't be told where ``stdin`` ends: the command has to know how much comes.
    """
    output = bytearray()
    take = write or output.extend
    query = {"container": container, "command": list(command), "stdout": "true", "stderr": "true"}
    if stdin is not None:
        query["stdin"] = "true"
    complaint, status = bytearray(), None
    async with open_socket(cluster, pod, "exec", query, (V5, V4)) as socket:
        sender = asyncio.create_task(_send(socket, stdin)) if stdin is not None else None
        try:
            async for message in socket:
                if message.type is not aiohttp.WSMsgType.BINARY or not message.data:
                    continue
                channel, data = message.data[0], message.data[1:]
                if channel == STDOUT:
                    take(data)
                elif channel == STDERR:
                    complaint = (complaint + data)[-KEPT_STDERR:]
                elif channel == ERROR:
                    status = json.loads(data)
        finally:
            if sender is not None:
                sender.cancel()
                # What could not be sent any more, the command's own end explains better.
                with contextlib.suppress(asyncio.CancelledError, ConnectionError, aiohttp.ClientError):
                    await sender
    if status is None:
        raise TransferError(f"the connection to pod {pod} ended before the work was done; try again")
    if status.get("status") != "Success":
        raise _failure(status, complaint.decode(errors="replace"), pod, command)
    return bytes(output)


async def _send(socket: aiohttp.ClientWebSocketResponse, stdin: AsyncIterator[bytes]) -> None:
    async for piece in stdin:
        for start in range(0, len(piece), CHUNK_BYTES):
            await socket.send_bytes(bytes([STDIN]) + piece[start : start + CHUNK_BYTES])
    if socket.protocol == V5:
        await socket.send_bytes(bytes([CLOSE, STDIN]))


def _failure(status: Mapping[str, Any], said: str, pod: str, command: Sequence[str]) -> CommandError:
    causes = (status.get("details") or {}).get("causes") or []
    codes = [cause.get("message", "") for cause in causes if cause.get("reason") == "ExitCode"]
    code = int(codes[0]) if codes and codes[0].isdigit() else None
    why = " ".join((said or str(status.get("message", ""))).split())
    verb = "can't be run" if code is None else f"ended with {code}"
    return CommandError(f"{command[0]} {verb} in pod {pod}: {why or 'it gave no reason'}", code, said)


def _refused(error: aiohttp.WSServerHandshakeError, pod: str, what: str, cluster: Cluster) -> ClusterError:
    """A websocket's refusal comes without the server's sentence; its number has to do."""
    if error.status == 401:
        text = f"the cluster at {cluster.server} does not know you (401); log in to it again"
    elif error.status == 403:
        text = (
            f'not allowed (403): pods/{what} in namespace "{cluster.namespace}"; ask for the verbs get and create on '
            f"pods/{what}: `spiral k8s doctor` lists every right that you need"
        )
    elif error.status == 404:
        text = f'there is no pod "{pod}" in namespace "{cluster.namespace}" any more; try again'
    else:
        text = f"pod {pod} takes no {what} ({error.status}): is its container running? `spiral k8s doctor` says"
    return ClusterError(text)
