"""The server on a loopback address, with its kubeconfig, authentication and authorisation."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import yaml
from aiohttp import web

from tests.k8s.api import calls, streams
from tests.k8s.api.answers import Refusal, forbidden, statuses
from tests.k8s.api.controllers import reconcile
from tests.k8s.api.kubelet import Kubelet
from tests.k8s.api.store import Event, Store

TOKEN = "the-token-of-jane"
USER = "jane"


@dataclass(slots=True)
class Rights:
    """What the user may not do; everything else is allowed."""

    denied: set[tuple[str, str]] = field(default_factory=set)
    """(verb, resource or resource/sub-resource); "*" stands for any."""

    def allow(self, verb: str, resource: str) -> bool:
        return not {(verb, resource), ("*", resource), (verb, "*"), ("*", "*")} & self.denied


class ApiServer:
    """``with ApiServer(tmp_path) as server: … server.kubeconfig``"""

    def __init__(self, root: Path, version: str = "v1.34.1") -> None:
        self.store, self.kubelet, self.rights = Store(), Kubelet(root), Rights()
        self.version = version
        self.metrics_server = True
        self.proxies = True
        """False: the control plane can't reach pods, as behind a firewall."""
        self.forbidden: dict[str, str] = {}
        """Workloads whose pods are not admitted, by name, and why: a quota, for example."""
        self.channels = ("v5.channel.k8s.io", "v4.channel.k8s.io")
        """Channel protocols of exec that it speaks."""
        self.cut_exec = False
        """True: the connection of an exec ends before its Status."""
        self.watches: list[asyncio.Queue[Any]] = []
        self.commands: list[list[str]] = []
        """What was run in containers."""
        self.requests: list[tuple[str, str]] = []
        """Method and path with query of all requests."""
        self.closing = False
        self.kubeconfig = root / "kubeconfig"
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="api-server", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        port = asyncio.run_coroutine_threadsafe(self._serve(), self._loop).result(30)
        self.url = f"http://127.0.0.1:{port}"
        self.store.listeners.append(self._changed)
        self._write_kubeconfig()
        return self

    def __exit__(self, *exception: object) -> None:
        self.closing = True
        self.store.listeners.clear()
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)
        self._loop.close()

    def drop_watches(self) -> None:
        """End all watches, as a server that is restarted does."""
        for queue in list(self.watches):
            self._loop.call_soon_threadsafe(queue.put_nowait, None)

    def authorise(self, request: web.Request, verb: str, resource: str, group: str, namespace: str, name: str) -> None:
        """401 for who is unknown, 403 for what is not allowed."""
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            raise Refusal(401, "Unauthorized")
        if not self.rights.allow(verb, resource):
            raise forbidden(USER, verb, resource, group, namespace, name)

    async def _serve(self) -> int:
        app = web.Application(middlewares=[statuses, self._note])
        calls.add_routes(self, app.router)
        streams.add_routes(self, app.router)
        app.router.add_get("/version", self._version)
        app.router.add_get("/apis", self._groups)
        app.router.add_get("/apis/", self._groups)  # as clients that are generated ask
        app.router.add_post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", self._review)
        self._runner = web.AppRunner(app, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        return int(self._runner.addresses[0][1])

    async def _end(self) -> None:
        self.drop_watches()
        await self._runner.cleanup()

    def _changed(self, event: Event) -> None:
        self._loop.call_soon_threadsafe(reconcile, self)

    @web.middleware
    async def _note(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.requests.append((request.method, request.path_qs))
        return await handler(request)

    async def _version(self, request: web.Request) -> web.Response:
        major, minor = self.version.removeprefix("v").split(".")[:2]
        keys = ("gitCommit", "gitTreeState", "buildDate", "goVersion", "compiler", "platform")
        return web.json_response(
            {"major": major, "minor": minor, "gitVersion": self.version} | dict.fromkeys(keys, "unknown")
        )

    async def _groups(self, request: web.Request) -> web.Response:
        self.authorise(request, "get", "/apis", "", "", "")
        names = ["apps", "autoscaling", "storage.k8s.io"] + ["metrics.k8s.io"] * self.metrics_server
        groups = []
        for name in names:
            version = {"groupVersion": f"{name}/v1", "version": "v1"}
            groups.append({"name": name, "versions": [version], "preferredVersion": version})
        return web.json_response({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})

    async def _review(self, request: web.Request) -> web.Response:
        """Everybody may ask what they may do."""
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            raise Refusal(401, "Unauthorized")
        review = await request.json()
        wanted = review["spec"]["resourceAttributes"]
        resource = "/".join(filter(None, (wanted["resource"], wanted.get("subresource", ""))))
        allowed = self.rights.allow(wanted["verb"], resource)
        review |= {
            "kind": "SelfSubjectAccessReview",
            "apiVersion": "authorization.k8s.io/v1",
            "status": {"allowed": allowed},
        }
        return web.json_response(review, status=201)

    def _write_kubeconfig(self) -> None:
        self.kubeconfig.write_text(
            yaml.safe_dump(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "clusters": [{"name": "fake", "cluster": {"server": self.url}}],
                    "users": [{"name": USER, "user": {"token": TOKEN}}, {"name": "mallory", "user": {"token": "no"}}],
                    "contexts": [
                        {"name": "fake", "context": {"cluster": "fake", "user": USER}},
                        {"name": "stranger", "context": {"cluster": "fake", "user": "mallory"}},
                    ],
                    "current-context": "fake",
                }
            )
        )
