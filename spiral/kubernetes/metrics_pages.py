"""The metrics pages of pods, from outside the cluster."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus

import aiohttp
from kubernetes.aio.client import ApiException

from spiral.kubernetes.cluster import Cluster
from spiral.kubernetes.errors import ClusterError, status_of
from spiral.kubernetes.sockets import V4, open_socket
from spiral.kubernetes.workloads import Part
from spiral.serving.metrics_page import Page, parse_page

PAGE_S = 10.0
"""Deadline of a page, which has tens of KiB and takes milliseconds; a longer wait would only lose time."""
AT_ONCE = 16
"""Pages requested at a time: a run may have a hundred pods, and the API server has other clients."""
UNREACHABLE = {
    HTTPStatus.INTERNAL_SERVER_ERROR,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
}
"""Statuses of API servers that can't reach the pod."""


@dataclass(frozen=True, slots=True)
class ScrapedPage:
    """A page and the time of its reading, or the reason why there is none."""

    at_s: float
    """Time of the reading by the event loop's clock, seconds."""
    page: Page | None
    why_not: str = ""


async def read_pages(cluster: Cluster, parts: Iterable[Part]) -> list[ScrapedPage]:
    """The pages of all parts, in their order. ApiException if reading pages is not allowed."""
    turn = asyncio.Semaphore(AT_ONCE)

    async def read(part: Part) -> ScrapedPage:
        async with turn:
            return await read_page(cluster, part)

    return list(await asyncio.gather(*(read(part) for part in parts)))


async def read_page(cluster: Cluster, part: Part) -> ScrapedPage:
    """One page: through the API server's proxy or, if that can't reach pods, through the pod's kubelet."""
    loop = asyncio.get_running_loop()
    if not part.running:
        return ScrapedPage(loop.time(), None, part.state)
    try:
        text = await _by_proxy(cluster, part)
        if text is None:
            text = await _by_kubelet(cluster, part)
        return ScrapedPage(loop.time(), parse_page(text))
    except (TimeoutError, ClusterError, ValueError, OSError, aiohttp.ClientError) as error:
        return ScrapedPage(loop.time(), None, str(error) or "no answer in time")


async def _by_proxy(cluster: Cluster, part: Part) -> str | None:
    """None if the API server can't reach the pod: a firewall or a network policy may forbid that."""
    try:
        answer = await cluster.core.connect_get_namespaced_pod_proxy_with_path_without_preload_content(
            f"{part.name}:{part.metrics_port}",
            cluster.namespace,
            "metrics",
            _request_timeout=PAGE_S,
        )
        async with answer:
            text = str(await answer.text())
            if answer.status in UNREACHABLE:
                return None
            if answer.status == HTTPStatus.OK:
                return text
    except TimeoutError:
        return None
    error = ApiException(status=answer.status, reason=answer.reason, body=text)
    if answer.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN} and status_of(error):
        raise error
    raise ClusterError(f"its metrics page answers {answer.status}")


async def _by_kubelet(cluster: Cluster, part: Part) -> str:
    """The page over port-forward, which enters the pod on its own node."""
    answer = bytearray()
    port = part.metrics_port
    async with (
        asyncio.timeout(PAGE_S),
        open_socket(cluster, part.name, "portforward", {"ports": port}, (V4,)) as socket,
    ):
        # HTTP/1.0: the answer ends with the connection, in one piece.
        await socket.send_bytes(b"\x00GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n")
        seen: set[int] = set()
        async for message in socket:
            channel = message.data[0]
            if channel not in seen:
                seen.add(channel)  # the first message of a channel is the port's number
            elif channel == 0:
                answer += message.data[1:]
            else:
                raise ClusterError(" ".join(message.data[1:].decode(errors="replace").split()))
    head, _, body = bytes(answer).partition(b"\r\n\r\n")
    if b" 200 " not in head.partition(b"\r\n")[0]:
        raise ClusterError(
            f"its metrics page answers {head.partition(b' ')[2][:3].decode(errors='replace') or 'nothing'}"
        )
    return body.decode()
