"""A cluster of processes for each module, and the project's own manifests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cluster import rights
from cluster.cluster import Cluster
from cluster.lifecycle import BackOff

SHORT = BackOff(first_s=1.0, limit_s=5.0, reset_s=60.0)
"""A cluster's own back-off would make tests wait for minutes."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    why = rights.missing()
    if why:
        pytest.skip(why)
    with Cluster(tmp_path_factory.mktemp("cluster"), back_off=SHORT) as cluster:
        yield cluster
