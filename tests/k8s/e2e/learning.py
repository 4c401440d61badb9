"""How far a run in the cluster is, and the wait until it goes on."""

from __future__ import annotations

from collections.abc import Sequence

from cluster.cluster import Cluster
from cluster.pod import Pod
from cluster.scrape import total
from spiral.v1 import info_pb2, info_pb2_grpc
from spiral.wire import rpc
from spiral.wire.edges import PORTS

NEW_RENDERER_S = 90.0
"""Time within which a new renderer receives streams, as promised."""
WORKLOADS = ("renderer", "actor", "learner", "discriminator")


def learnt(cluster: Cluster) -> float:
    """Frames learned from since the learner's start."""
    return total(cluster.pods("learner"), "spiral_learner_frames_total")


def generation(cluster: Cluster) -> float:
    """The learner's generation."""
    return total(cluster.pods("learner"), "spiral_learner_generation")


def until_learning(cluster: Cluster) -> None:
    """All are ready, and frames go up."""
    cluster.until(lambda: cluster.ready(*WORKLOADS), "all four to become ready")
    before = learnt(cluster)
    cluster.until(lambda: learnt(cluster) > before, "frames to be learned")


def renderers(cluster: Cluster) -> list[Pod]:
    """The renderer pods that are not being deleted."""
    return [pod for pod in cluster.pods("renderer") if not pod.deleted]


def all_paint(cluster: Cluster) -> bool:
    """Whether every renderer has painted since its start."""
    return all(total([pod], "spiral_renderer_frames_total") > 0 for pod in renderers(cluster))


def waiting_for(pod: Pod) -> Sequence[str]:
    """Whom the service of a pod says to wait for; asked at its address, as anybody can."""
    service = pod.template.owner.name
    with rpc.connect(f"{pod.address}:{PORTS[service]}") as channel:
        info = info_pb2_grpc.InfoServiceStub(channel).GetInfo(info_pb2.GetInfoRequest(), timeout=10.0)
    return list(info.waiting_for)
