"""Lists all objects of a kind, however many, and watches their changes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any

from kubernetes.aio.client import ApiException
from kubernetes.aio.watch import Watch

from spiral.kubernetes.cluster import ANSWER_S

PAGE = 200
"""Objects per answer: several hundred KiB, well below what proxies in between allow."""
WATCH_S = 240
"""Servers end a watch after 5 to 10 minutes by themselves; ending it first makes clear which side did."""

ListCall = Callable[..., Awaitable[Any]]
"""A generated method such as ``core.list_namespaced_pod``."""


async def list_all(call: ListCall, *where: str, **selectors: str) -> tuple[list[Any], str]:
    """All objects, page by page, and the resource version that they are of.

    A list that the server forgets midway (410 Gone) is requested again, once and in one piece.
    """
    found: list[Any] = []
    token: str | None = None
    while True:
        page_of: Mapping[str, Any] = {"limit": PAGE} if token is None else {"limit": PAGE, "_continue": token}
        try:
            page = await call(*where, **selectors, **page_of, _request_timeout=ANSWER_S)
        except ApiException as error:
            if error.status != HTTPStatus.GONE or token is None:
                raise
            whole = await call(*where, **selectors, _request_timeout=ANSWER_S)
            return list(whole.items), str(whole.metadata.resource_version)
        found += page.items
        token = getattr(page.metadata, "_continue", None)
        if not token:
            return found, str(page.metadata.resource_version)


async def changes(call: ListCall, *where: str, **selectors: str) -> AsyncIterator[dict[str, Any]]:
    """The objects by name as they are now, and again after each change, forever.

    A watch that ends, or whose place in history the server has forgotten (410), is started again from a list.
    """
    while True:
        objects, version = await list_all(call, *where, **selectors)
        known = {item.metadata.name: item for item in objects}
        yield dict(known)
        watch = Watch()
        try:
            async with watch.stream(
                call, *where, **selectors, resource_version=version, timeout_seconds=WATCH_S
            ) as events:
                async for event in events:
                    if event["type"] == "BOOKMARK":
                        continue
                    name = event["object"].metadata.name
                    if event["type"] == "DELETED":
                        known.pop(name, None)
                    else:
                        known[name] = event["object"]
                    yield dict(known)
        except ApiException as error:
            if error.status != HTTPStatus.GONE:
                raise


async def wait_until(
    condition: Callable[[dict[str, Any]], bool], limit_s: float, call: ListCall, *where: str, **selectors: str
) -> bool:
    """Watch until the condition on the objects by name holds; False if it does not within ``limit_s``."""
    try:
        async with asyncio.timeout(limit_s):
            async for objects in changes(call, *where, **selectors):
                if condition(objects):
                    return True
    except TimeoutError:
        pass
    return False
