"""The sub-resources of a pod that stream: log, proxy, exec, portforward."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp import web

from tests.k8s.api.answers import Refusal, failure

if TYPE_CHECKING:
    from tests.k8s.api.server import ApiServer

STDIN, STDOUT, STDERR, ERROR, CLOSE = 0, 1, 2, 3, 255
POD = "/api/v1/namespaces/{namespace}/pods/{name}"


def add_routes(server: ApiServer, router: web.UrlDispatcher) -> None:
    """The paths of the sub-resources."""
    calls = Streams(server)
    router.add_get(f"{POD}/log", calls.log)
    router.add_get(f"{POD}/proxy/{{path:.*}}", calls.proxy)
    router.add_get(f"{POD}/exec", calls.execute)
    router.add_get(f"{POD}/portforward", calls.forward)


class Streams:
    """Calls that reach into a pod."""

    def __init__(self, server: ApiServer) -> None:
        self.server = server

    def _pod(self, request: web.Request, sub: str, verb: str = "get") -> dict[str, Any]:
        namespace, name = request.match_info["namespace"], request.match_info["name"].partition(":")[0]
        self.server.authorise(request, verb, f"pods/{sub}", "", namespace, request.match_info["name"])
        return self.server.store.get("pods", namespace, name)

    def _container(self, pod: dict[str, Any], asked: str | None) -> dict[str, Any]:
        """Status of the container that is meant; 400 where there is none of that name or it does not run."""
        name = asked or pod["spec"]["containers"][0]["name"]
        if name not in [container["name"] for container in pod["spec"]["containers"]]:
            raise Refusal(400, f"container {name} is not valid for pod {pod['metadata']['name']}")
        statuses = pod["status"].get("containerStatuses", [])
        return next((s for s in statuses if s["name"] == name), {"name": name, "state": {}})

    async def log(self, request: web.Request) -> web.StreamResponse:
        pod = self._pod(request, "log")
        query, name = request.query, pod["metadata"]["name"]
        status = self._container(pod, query.get("container"))
        container = self.server.kubelet.containers.get(name)
        waiting = status.get("state", {}).get("waiting")
        if query.get("previous") == "true":
            if container is None or container.previous is None:
                raise Refusal(400, f'previous terminated container "{status["name"]}" in pod "{name}" not found')
            lines = container.previous
        elif container is None or waiting:
            reason = (waiting or {}).get("reason", "ContainerCreating")
            raise Refusal(400, f'container "{status["name"]}" in pod "{name}" is waiting to start: {reason}')
        else:
            lines = container.lines
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await response.prepare(request)
        count = len(lines)
        tail = int(query["tailLines"]) if "tailLines" in query else count
        since = _since(query)
        stamps = query.get("timestamps") == "true"
        for at, text in lines[max(count - tail, 0) : count]:
            if since is None or at >= since:
                await response.write(_line(at, text, stamps))
        if query.get("follow") == "true" and container is not None:
            await self._follow(response, pod, count, stamps)
        return response

    async def _follow(self, response: web.StreamResponse, pod: dict[str, Any], sent: int, stamps: bool) -> None:
        name = pod["metadata"]["name"]
        container = self.server.kubelet.containers[name]
        try:
            # As long as this very container runs: a new one in its place is another log.
            while self.server.kubelet.containers.get(name) is container and not self.server.closing:
                lines = container.lines[sent:]
                for at, text in lines:
                    await response.write(_line(at, text, stamps))
                sent += len(lines)
                await asyncio.to_thread(_wait, container.changed)
        except ConnectionError:
            pass

    async def proxy(self, request: web.Request) -> web.Response:
        pod = self._pod(request, "proxy")
        _, _, port = request.match_info["name"].partition(":")
        container = self.server.kubelet.containers.get(pod["metadata"]["name"])
        local = container.ports.get(int(port or 80)) if container and self.server.proxies else None
        refused = f"dial tcp {pod['status'].get('podIP')}:{port}: connect: connection refused"
        if local is None:
            raise Refusal(503, f"error trying to reach service: {refused}")
        try:
            async with (
                aiohttp.ClientSession() as session,
                session.get(f"http://127.0.0.1:{local}/{request.match_info['path']}") as answer,
            ):
                headers = {"Content-Type": answer.headers.get("Content-Type", "text/plain")}
                return web.Response(body=await answer.read(), status=answer.status, headers=headers)
        except aiohttp.ClientError:
            raise Refusal(503, f"error trying to reach service: {refused}") from None

    async def execute(self, request: web.Request) -> web.StreamResponse:
        pod = self._pod(request, "exec")
        self.server.authorise(request, "create", "pods/exec", "", pod["metadata"]["namespace"], "")
        status = self._container(pod, request.query.get("container"))
        if "running" not in status.get("state", {}):
            raise Refusal(500, f'container not found ("{status["name"]}")')
        socket = web.WebSocketResponse(protocols=self.server.channels)
        await socket.prepare(request)
        # Says that the connection stands.
        await socket.send_bytes(bytes([STDOUT]))
        command = self.server.kubelet.command(pod, request.query.getall("command"))
        self.server.commands.append(command)
        result = await _run(socket, command, "stdin" in request.query)
        if not self.server.cut_exec:
            await socket.send_bytes(bytes([ERROR]) + json.dumps(result).encode())
        await socket.close()
        return socket

    async def forward(self, request: web.Request) -> web.StreamResponse:
        pod = self._pod(request, "portforward")
        self.server.authorise(request, "create", "pods/portforward", "", pod["metadata"]["namespace"], "")
        port = int(request.query["ports"])
        socket = web.WebSocketResponse(protocols=("v4.channel.k8s.io",))
        await socket.prepare(request)
        for channel in (0, 1):
            await socket.send_bytes(bytes([channel]) + port.to_bytes(2, "little"))
        container = self.server.kubelet.containers.get(pod["metadata"]["name"])
        try:
            local = container.ports[port] if container else 0
            reader, writer = await asyncio.open_connection("127.0.0.1", local)
        except (OSError, KeyError):
            said = f"error forwarding port {port} to pod {pod['metadata']['uid']}: connection refused"
            await socket.send_bytes(b"\x01" + said.encode())
            await socket.close()
            return socket
        pump = asyncio.create_task(_pump(reader, socket))
        async for message in socket:
            if message.type is aiohttp.WSMsgType.BINARY and message.data[0] == 0:
                writer.write(message.data[1:])
                await writer.drain()
        writer.close()
        pump.cancel()
        return socket


async def _pump(reader: asyncio.StreamReader, socket: web.WebSocketResponse) -> None:
    while data := await reader.read(32 << 10):
        await socket.send_bytes(b"\x00" + data)
    await socket.close()


async def _run(socket: web.WebSocketResponse, command: list[str], has_stdin: bool) -> dict[str, Any]:
    """Run a process on this machine with its streams on the socket's channels; the Status of its end."""
    pipe = asyncio.subprocess.PIPE
    try:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=pipe if has_stdin else asyncio.subprocess.DEVNULL, stdout=pipe, stderr=pipe
        )
    except OSError as error:
        return failure(500, f'error executing command in container: exec: "{command[0]}": {error.strerror}')

    async def copy(stream: asyncio.StreamReader, channel: int) -> None:
        while data := await stream.read(32 << 10):
            await socket.send_bytes(bytes([channel]) + data)

    async def feed() -> None:
        async for message in socket:
            if message.type is not aiohttp.WSMsgType.BINARY or process.stdin is None:
                continue
            if message.data[:2] == bytes([CLOSE, STDIN]) and socket.ws_protocol == "v5.channel.k8s.io":
                process.stdin.close()
            elif message.data[0] == STDIN:
                process.stdin.write(message.data[1:])
                await process.stdin.drain()

    feeder = asyncio.create_task(feed())
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        await asyncio.gather(copy(process.stdout, STDOUT), copy(process.stderr, STDERR))
        code = await process.wait()
    finally:
        feeder.cancel()
        if process.returncode is None:
            process.kill()
            await process.wait()
    if code == 0:
        return {"metadata": {}, "status": "Success"}
    return {
        "metadata": {},
        "status": "Failure",
        "message": f"command terminated with non-zero exit code: exit status {code}",
        "reason": "NonZeroExitCode",
        "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
    }


def _since(query: Any) -> datetime | None:
    if "sinceTime" in query:
        return datetime.fromisoformat(query["sinceTime"])
    if "sinceSeconds" in query:
        return datetime.now(UTC) - timedelta(seconds=int(query["sinceSeconds"]))
    return None


def _line(at: datetime, text: str, stamps: bool) -> bytes:
    stamp = at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond:06d}000Z "
    return f"{stamp if stamps else ''}{text}\n".encode()


def _wait(changed: Any) -> None:
    with changed:
        changed.wait(0.05)
