"""Long lists, watches that end, and a server that forgets."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from spiral.kubernetes import listing
from spiral.kubernetes.cluster import Access, Cluster, connect
from spiral.kubernetes.errors import ClusterError
from spiral.kubernetes.listing import changes, list_all
from tests.k8s.api.server import ApiServer

WHERE = "spiral"


def with_cluster(server: ApiServer, work: Any) -> Any:
    async def run() -> Any:
        async with connect(Access(kubeconfig=server.kubeconfig)) as cluster, asyncio.timeout(60):
            return await work(cluster)

    return asyncio.run(run())


@pytest.fixture
def many(bare: ApiServer, monkeypatch: pytest.MonkeyPatch) -> ApiServer:
    """A namespace with 25 ConfigMaps, listed ten at a time."""
    monkeypatch.setattr(listing, "PAGE", 10)
    bare.store.create("namespaces", {"metadata": {"name": WHERE}})
    for i in range(25):
        bare.store.create("configmaps", {"metadata": {"name": f"map-{i:02d}", "namespace": WHERE}})
    return bare


def names(items: list[Any]) -> list[str]:
    return [item.metadata.name for item in items]


def test_a_long_list_comes_in_pages_of_one_state(many: ApiServer) -> None:
    async def work(cluster: Cluster) -> list[Any]:
        items, _ = await list_all(cluster.core.list_namespaced_config_map, WHERE)
        return items

    assert names(with_cluster(many, work)) == [f"map-{i:02d}" for i in range(25)]
    assert sum("limit=10" in path for _, path in many.requests) == 3


def test_a_list_that_the_server_forgot_half_way_is_begun_anew(many: ApiServer) -> None:
    async def work(cluster: Cluster) -> list[Any]:
        async def call(*where: str, **wishes: Any) -> Any:
            page = await cluster.core.list_namespaced_config_map(*where, **wishes)
            if "_continue" not in wishes and "limit" in wishes:
                many.store.compact()
            return page

        items, _ = await list_all(call, WHERE)
        return items

    assert len(with_cluster(many, work)) == 25


def test_changes_are_told_past_a_dropped_watch_and_a_forgotten_version(many: ApiServer) -> None:
    def add(name: str) -> None:
        many.store.create("configmaps", {"metadata": {"name": name, "namespace": WHERE}})

    def forget() -> None:
        """What a list said can't be watched from any more: 410, and a new list."""
        add("new-2")
        many.store.compact()
        many.drop_watches()

    steps = [lambda: add("new-1"), forget, lambda: many.store.remove("configmaps", WHERE, "map-00")]

    async def work(cluster: Cluster) -> set[str]:
        known: dict[str, Any] = {}
        async for known in changes(cluster.core.list_namespaced_config_map, WHERE):
            expected = {0: "map-24", 1: "new-1", 2: "new-2"}.get(3 - len(steps))
            if steps and expected in known:
                steps.pop(0)()
            elif not steps and "map-00" not in known:
                break
        return set(known)

    found = with_cluster(many, work)
    assert {"new-1", "new-2"} < found
    assert "map-00" not in found


def test_a_refusal_in_the_middle_of_a_watch_ends_it(many: ApiServer) -> None:
    async def work(cluster: Cluster) -> None:
        async for _ in changes(cluster.core.list_namespaced_config_map, WHERE):
            many.rights.denied.add(("*", "configmaps"))
            many.drop_watches()
            many.store.create("configmaps", {"metadata": {"name": f"x-{many.store.version}", "namespace": WHERE}})

    with pytest.raises(ClusterError, match=r"cannot (list|watch) resource"):
        with_cluster(many, work)
