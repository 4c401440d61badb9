"""``kubectl apply -k k8s/overlays/swap-renderer``: somebody else's renderer in a cluster, in another language."""

from __future__ import annotations

import pytest

from cluster.cluster import Cluster
from spiral.v1 import info_pb2, info_pb2_grpc
from spiral.wire import rpc
from spiral.wire.edges import PORTS
from tests.k8s.e2e.learning import until_learning
from tests.k8s.e2e.manifests_of_the_project import SMALL, project, with_run
from tests.support.node_renderer import skip_without_node

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def test_the_run_learns_with_it(cluster: Cluster) -> None:
    skip_without_node()
    cluster.apply(with_run(project("overlays/swap-renderer"), SMALL))
    until_learning(cluster)
    for pod in cluster.pods("renderer"):
        with rpc.connect(f"{pod.address}:{PORTS['renderer']}") as channel:
            info = info_pb2_grpc.InfoServiceStub(channel).GetInfo(info_pb2.GetInfoRequest(), timeout=30.0)
        assert (info.implementation, list(info.engines)) == ("renderer-node", ["strokes"])
    assert all(pod.restarts == 0 for pod in cluster.pods())
