"""The logs of all services, interleaved by time."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import aiohttp
from kubernetes.aio.client import ApiException

from spiral.kubernetes.cluster import ANSWER_S, Cluster
from spiral.kubernetes.errors import status_of
from spiral.kubernetes.listing import changes
from spiral.kubernetes.workloads import OURS, Part, parts_of, read_parts
from spiral.wire.edges import Service

FOREVER_S = 1e9
"""A followed log never ends by itself, but the client library's limit for an answer is five minutes."""
AGAIN_S = 1.0
"""Pause before an interrupted log is requested again."""
READ_BYTES = 64 << 10


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a service's log."""

    at: datetime
    """Time when the node received it."""
    source: str
    """The pod, and the container if the pod has several of ours."""
    service: Service
    text: str


@dataclass(frozen=True, slots=True)
class Wish:
    """Which lines are wanted."""

    services: Sequence[Service]
    tail: int | None = None
    """Number of last lines of each container; None: all."""
    since_s: int | None = None
    """Only lines of the last ``since_s`` seconds; None: from the beginning."""
    previous: bool = False
    """Read the logs of the container before its last restart."""


async def read_logs(cluster: Cluster, wish: Wish) -> tuple[list[Line], list[str]]:
    """The existing lines, by time, and a sentence for each container that has no log."""
    parts = await read_parts(cluster, wish.services)
    found = await asyncio.gather(*(_read(cluster, part, wish) for part in parts))
    lines = heapq.merge(*(part_lines for part_lines, _ in found), key=lambda line: line.at)
    return list(lines), [note for _, note in found if note]


async def follow_logs(cluster: Cluster, wish: Wish) -> AsyncIterator[Line]:
    """The existing lines, by time, and then every new one as it comes, also of containers that start later."""
    lines, _ = await read_logs(cluster, wish)
    newest: dict[str, datetime] = {}
    for line in lines:
        newest[line.source] = line.at
        yield line
    queue: asyncio.Queue[Line | BaseException] = asyncio.Queue(maxsize=1000)
    watcher = asyncio.create_task(_follow_all(cluster, wish, newest, queue))
    watcher.add_done_callback(lambda task: _tell_end(task, queue))
    try:
        while True:
            item = await queue.get()
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        watcher.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await watcher


def _tell_end(task: asyncio.Task[None], queue: asyncio.Queue[Line | BaseException]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        while queue.full():
            queue.get_nowait()
        queue.put_nowait(error)


async def _follow_all(
    cluster: Cluster, wish: Wish, newest: dict[str, datetime], queue: asyncio.Queue[Line | BaseException]
) -> None:
    """Keep one follower for each running container as pods come, restart and go."""
    followers: dict[tuple[str, str, int], asyncio.Task[None]] = {}
    call = cluster.core.list_namespaced_pod
    try:
        async for pods in changes(call, cluster.namespace, label_selector=OURS):
            running = {
                (str(part.pod.metadata.uid), part.service, part.restarts): part
                for pod in pods.values()
                for part in parts_of(pod)
                if part.service in wish.services and part.running
            }
            for key in followers.keys() - running.keys():
                # Its last lines may still be on their way; it ends by itself when the container's log does.
                if followers[key].done():
                    del followers[key]
            for key in running.keys() - followers.keys():
                part = running[key]
                followers[key] = asyncio.create_task(_follow(cluster, part, newest.get(source_of(part)), queue))
    finally:
        for follower in followers.values():
            follower.cancel()
        await asyncio.gather(*followers.values(), return_exceptions=True)


async def _follow(
    cluster: Cluster, part: Part, since: datetime | None, queue: asyncio.Queue[Line | BaseException]
) -> None:
    """One container's lines after ``since``, until its log ends; a broken connection is opened again."""
    while True:
        seconds = None if since is None else max(1, int((datetime.now(UTC) - since).total_seconds()) + 2)
        try:
            async for line in _lines(cluster, part, seconds):
                if since is None or line.at > since:
                    since = line.at
                    await queue.put(line)
        except (TimeoutError, aiohttp.ClientError):
            pass
        except ApiException as error:
            if error.status in {400, 404}:
                return  # it has ended
            raise
        if not await _still_runs(cluster, part):
            return
        await asyncio.sleep(AGAIN_S)


async def _still_runs(cluster: Cluster, part: Part) -> bool:
    try:
        pod = await cluster.core.read_namespaced_pod(part.name, cluster.namespace)
    except (TimeoutError, ApiException, aiohttp.ClientError) as error:
        return not isinstance(error, ApiException) or error.status != 404
    now = next((p for p in parts_of(pod) if p.service == part.service), part)
    same = now.pod.metadata.uid == part.pod.metadata.uid and now.restarts == part.restarts
    return same and now.running


async def _lines(cluster: Cluster, part: Part, since_s: int | None) -> AsyncIterator[Line]:
    answer = await _ask(cluster, part, follow=True, since_seconds=since_s)
    async with answer:
        rest = b""
        async for piece in answer.content.iter_chunked(READ_BYTES):
            *whole, rest = (rest + piece).split(b"\n")
            for line in whole:
                yield _parse(part, line)
        if rest:
            yield _parse(part, rest)


async def _read(cluster: Cluster, part: Part, wish: Wish) -> tuple[list[Line], str]:
    """A container's lines, or why there are none."""
    try:
        answer = await _ask(
            cluster, part, tail_lines=wish.tail, since_seconds=wish.since_s, previous=wish.previous or None
        )
        async with answer:
            text = await answer.read()
    except ApiException as error:
        if error.status not in {400, 404}:
            raise
        return [], f"{source_of(part)}: {status_of(error).get('message') or error.reason}"
    return [_parse(part, line) for line in text.split(b"\n") if line], ""


async def _ask(cluster: Cluster, part: Part, **wishes: Any) -> aiohttp.ClientResponse:
    given = {name: value for name, value in wishes.items() if value is not None}
    async with asyncio.timeout(ANSWER_S):
        answer: aiohttp.ClientResponse = await cluster.core.read_namespaced_pod_log_without_preload_content(
            part.name,
            cluster.namespace,
            container=part.container.name,
            timestamps=True,
            **given,
            _request_timeout=FOREVER_S,
        )
    if answer.status != 200:
        async with answer:
            raise ApiException(status=answer.status, reason=answer.reason, body=await answer.text())
    return answer


def source_of(part: Part) -> str:
    """The pod's name, and the container's if the pod has several of ours."""
    alone = sum(1 for _ in parts_of(part.pod)) == 1
    return part.name if alone else f"{part.name}/{part.service}"


def _parse(part: Part, line: bytes) -> Line:
    """A line as the server sends it: RFC 3339 time, space, text."""
    stamp, _, text = line.decode(errors="replace").partition(" ")
    try:
        at = datetime.fromisoformat(stamp)
    except ValueError:
        at, text = datetime.min.replace(tzinfo=UTC), line.decode(errors="replace")
    return Line(at, source_of(part), part.service, text.rstrip("\r"))


def services_named(names: Iterable[str] | None, all_of_them: Sequence[Service]) -> list[Service]:
    """The services of these names, or all if none is named; ValueError for an unknown name."""
    chosen: list[Service] = []
    for name in names or all_of_them:
        service = next((service for service in all_of_them if name in {service, f"{service}s"}), None)
        if service is None:
            raise ValueError(f'service: "{name}" is unknown; known: {", ".join(all_of_them)}')
        chosen.append(service)
    return chosen
