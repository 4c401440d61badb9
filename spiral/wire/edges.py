"""All connections between services: the table from which diagrams, network policies and tests are generated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Service = Literal["renderer", "actor", "learner", "discriminator"]
SERVICES: tuple[Service, ...] = ("renderer", "actor", "learner", "discriminator")

PORTS: dict[str, int] = {"renderer": 50051, "actor": 50052, "learner": 50053, "discriminator": 50054}
"""Default gRPC port of each service."""
DATA_PORT = 50055
"""Port where the learner takes trajectories."""
HEALTH_PORT = 50060
"""Port where a pod answers its probes, in plaintext even if the rest is encrypted."""
METRICS_PORT = 9464
"""Port of a pod's metrics page."""


@dataclass(frozen=True, slots=True)
class Edge:
    """One connection between two services; ``client`` opens it."""

    client: Service
    server: Service
    port: int
    protocol: Literal["grpc", "zmq"]
    says: str
    """RPC or message that names the edge."""
    why: str
    capability: str = ""
    """Capability that the server must list in GetInfo for this edge; empty: every server has it."""


EDGES: tuple[Edge, ...] = (
    Edge(
        "actor",
        "renderer",
        PORTS["renderer"],
        "grpc",
        "RendererService.Rollout",
        "actions out, frames back; the stream's life is the canvases' life",
    ),
    Edge(
        "actor",
        "learner",
        DATA_PORT,
        "zmq",
        "ActorMessage",
        "trajectories against credits: a header and raw tensor frames",
    ),
    Edge(
        "actor",
        "learner",
        PORTS["learner"],
        "grpc",
        "LearnerService.GetWeights",
        "weights are pulled by version and never queue",
    ),
    Edge(
        "learner",
        "discriminator",
        PORTS["discriminator"],
        "grpc",
        "DiscriminatorService.Score",
        "frames out, scores back; any judge can stand there",
    ),
    Edge(
        "learner",
        "renderer",
        PORTS["renderer"],
        "grpc",
        "RendererService.DescribeEngine",
        "once for a new run: the action spec of an engine that the learner never imports",
    ),
    Edge(
        "actor",
        "discriminator",
        PORTS["discriminator"],
        "grpc",
        "DiscriminatorService.SampleTargets",
        "conditional runs: the data set lives in one place",
        capability="sample-targets",
    ),
)
"""Besides these, any client may ask any service for GetInfo, health, reflection and the metrics page."""


def peers(service: Service) -> tuple[Service, ...]:
    """The services that ``service`` connects to, each once, in the table's order."""
    return tuple(dict.fromkeys(edge.server for edge in EDGES if edge.client == service))
