"""What can be asked of every resource: list, watch, read, create, patch, delete, scale."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import TYPE_CHECKING, Any

from aiohttp import web

from tests.k8s.api.answers import Refusal, failure
from tests.k8s.api.resources import RESOURCES, SCALED, Resource, patched, selects
from tests.k8s.api.store import Event, now

if TYPE_CHECKING:
    from tests.k8s.api.server import ApiServer


def add_routes(server: ApiServer, router: web.UrlDispatcher) -> None:
    """The paths of all resources."""
    for resource in RESOURCES:
        calls = Collection(server, resource)
        within = f"{resource.root}/namespaces/{{namespace}}/" if resource.namespaced else f"{resource.root}/"
        router.add_get(f"{within}{resource.name}", calls.list)
        router.add_post(f"{within}{resource.name}", calls.create)
        router.add_get(f"{within}{resource.name}/{{name}}", calls.read)
        router.add_patch(f"{within}{resource.name}/{{name}}", calls.patch)
        router.add_delete(f"{within}{resource.name}/{{name}}", calls.delete)
        if resource.namespaced:
            router.add_get(f"{resource.root}/{resource.name}", calls.list)
        if resource.name in SCALED:
            router.add_get(f"{within}{resource.name}/{{name}}/scale", calls.read_scale)
            router.add_patch(f"{within}{resource.name}/{{name}}/scale", calls.patch_scale)


class Collection:
    """The calls of one resource."""

    def __init__(self, server: ApiServer, resource: Resource) -> None:
        self.server, self.resource = server, resource

    def _check(self, request: web.Request, verb: str, sub: str = "") -> tuple[str, str]:
        namespace, name = request.match_info.get("namespace", ""), request.match_info.get("name", "")
        resource = f"{self.resource.name}/{sub}" if sub else self.resource.name
        # The right to a Namespace object is asked for within that namespace.
        self.server.authorise(request, verb, resource, self.resource.group, namespace or "", name)
        return namespace, name

    async def list(self, request: web.Request) -> web.StreamResponse:
        query = request.query
        if query.get("watch", "").lower() in {"1", "true"}:
            return await self._watch(request)
        namespace, _ = self._check(request, "list")
        version, start = None, ""
        if token := query.get("continue"):
            try:
                place = json.loads(base64.urlsafe_b64decode(token))
                version, start = place["rv"], place["start"]
            except (ValueError, KeyError):
                raise Refusal(400, "continue key is not valid: invalid character") from None
        items, version = self.server.store.page(self.resource.name, namespace, version)
        chosen = [
            item
            for item in items
            if selects(query.get("labelSelector", ""), query.get("fieldSelector", ""), item) and _place(item) > start
        ]
        limit = int(query.get("limit", 0)) or len(chosen)
        metadata: dict[str, Any] = {"resourceVersion": str(version)}
        if chosen[limit:]:
            place = {"rv": version, "start": _place(chosen[limit - 1])}
            metadata["continue"] = base64.urlsafe_b64encode(json.dumps(place).encode()).decode()
            metadata["remainingItemCount"] = len(chosen) - limit
        return web.json_response(
            {
                "kind": f"{self.resource.kind}List",
                "apiVersion": self.resource.api_version,
                "metadata": metadata,
                # The server leaves kind and apiVersion out of a list's items.
                "items": [{k: v for k, v in i.items() if k not in {"kind", "apiVersion"}} for i in chosen[:limit]],
            }
        )

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        namespace, _ = self._check(request, "watch")
        query = request.query
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        queue: asyncio.Queue[Event | None] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        def listener(event: Event) -> None:
            loop.call_soon_threadsafe(queue.put_nowait, event)

        store = self.server.store
        with store.lock:
            since = int(query.get("resourceVersion") or store.version)
            too_old = since < store.forgotten
            missed = [event for event in store.history if event.version > since]
            store.listeners.append(listener)
            at = store.version
        self.server.watches.append(queue)
        try:
            await response.prepare(request)
            if too_old:
                status = failure(410, f"too old resource version: {since} ({at})")
                await response.write(json.dumps({"type": "ERROR", "object": status}).encode() + b"\n")
                return response
            for event in missed:
                queue.put_nowait(event)
            async with asyncio.timeout(float(query.get("timeoutSeconds") or 300)):
                while (event := await queue.get()) is not None:
                    item = event.item
                    if (
                        event.resource == self.resource.name
                        and namespace in {"", item["metadata"].get("namespace")}
                        and selects(query.get("labelSelector", ""), query.get("fieldSelector", ""), item)
                    ):
                        line = json.dumps({"type": event.type, "object": item})
                        await response.write(line.encode() + b"\n")
        except (TimeoutError, ConnectionError):
            pass
        finally:
            if listener in store.listeners:
                store.listeners.remove(listener)
            self.server.watches.remove(queue)
        return response

    async def read(self, request: web.Request) -> web.Response:
        namespace, name = self._check(request, "get")
        return web.json_response(self.server.store.get(self.resource.name, namespace, name))

    async def create(self, request: web.Request) -> web.Response:
        namespace, _ = self._check(request, "create")
        item = await request.json()
        item["metadata"] |= {"namespace": namespace} if namespace else {}
        return web.json_response(self.server.store.create(self.resource.name, item), status=201)

    async def patch(self, request: web.Request) -> web.Response:
        namespace, name = self._check(request, "patch")
        patch = await request.json()
        with self.server.store.change(self.resource.name, namespace, name) as item:
            changed = patched(item, patch, request.content_type)
            item.clear()
            item.update(changed)
        return web.json_response(self.server.store.get(self.resource.name, namespace, name))

    async def delete(self, request: web.Request) -> web.Response:
        namespace, name = self._check(request, "delete")
        item = self.server.store.get(self.resource.name, namespace, name)
        if self.resource.name == "pods":
            # Its end is the kubelet's doing.
            with self.server.store.change("pods", namespace, name) as pod:
                pod["metadata"].setdefault("deletionTimestamp", now())
            return web.json_response(self.server.store.get("pods", namespace, name))
        self.server.store.remove(self.resource.name, namespace, name)
        return web.json_response(
            {"kind": "Status", "apiVersion": "v1", "status": "Success", "metadata": {}}
            | {"details": {"name": name, "kind": self.resource.name, "uid": item["metadata"]["uid"]}}
        )

    async def read_scale(self, request: web.Request) -> web.Response:
        namespace, name = self._check(request, "get", "scale")
        return web.json_response(_scale(self.server.store.get(self.resource.name, namespace, name)))

    async def patch_scale(self, request: web.Request) -> web.Response:
        namespace, name = self._check(request, "patch", "scale")
        patch = await request.json()
        with self.server.store.change(self.resource.name, namespace, name) as item:
            wanted = patched(_scale(item), patch, request.content_type)["spec"]["replicas"]
            if not isinstance(wanted, int) or wanted < 0:
                raise Refusal(
                    422,
                    f'Scale.autoscaling "{name}" is invalid: spec.replicas: Invalid value: {wanted}: '
                    "must be greater than or equal to 0",
                    name=name,
                    kind="Scale",
                )
            item["spec"]["replicas"] = wanted
        return web.json_response(_scale(self.server.store.get(self.resource.name, namespace, name)))


def _place(item: dict[str, Any]) -> str:
    return f"{item['metadata'].get('namespace', '')}/{item['metadata']['name']}"


def _scale(item: dict[str, Any]) -> dict[str, Any]:
    metadata = item["metadata"]
    keys = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    labels = item["spec"]["selector"]["matchLabels"]
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {key: metadata[key] for key in keys},
        "spec": {"replicas": item["spec"].get("replicas", 1)},
        "status": {
            "replicas": item.get("status", {}).get("replicas", 0),
            "selector": ",".join(f"{key}={value}" for key, value in sorted(labels.items())),
        },
    }
