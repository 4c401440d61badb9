"""Writes edges.yaml: the network policies that follow from the table of edges, ``spiral/wire/edges.py``.

python k8s/components/network-policies/generate.py > k8s/components/network-policies/edges.yaml
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from spiral.wire.edges import EDGES, METRICS_PORT, SERVICES, Edge, Service

HEADER = """\
# Generated from spiral/wire/edges.py by generate.py in this folder (`make golden`); not to be edited.
# Each service may open the connections of the table, and accepts those. The probes need no rule: the node's own
# kubelet always gets through.
"""


def policies() -> Iterator[str]:
    """One policy for what a service opens, one for what it accepts, and one for the metrics pages; YAML each."""
    for service in SERVICES:
        opened = [_rule(edge, "to", edge.server) for edge in EDGES if edge.client == service]
        accepted = [_rule(edge, "from", edge.client) for edge in EDGES if edge.server == service]
        if opened:
            yield _policy(f"{service}-opens", service, "Egress", opened)
        if accepted:
            yield _policy(f"{service}-accepts", service, "Ingress", accepted)
    yield METRICS


def _rule(edge: Edge, direction: str, peer: Service) -> str:
    return f"""\
    # {edge.says}: {edge.why}
    - {direction}:
        - podSelector:
            matchLabels:
              app.kubernetes.io/name: {peer}
              app.kubernetes.io/instance: spiral
      ports:
        - port: {edge.port}
          protocol: TCP
"""


def _policy(name: str, service: Service, kind: str, rules: list[str]) -> str:
    return f"""\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {name}
  labels:
    app.kubernetes.io/part-of: spiral
spec:
  podSelector:
    matchLabels:
      app.kubernetes.io/name: {service}
      app.kubernetes.io/instance: spiral
  policyTypes: ["{kind}"]
  {kind.lower()}:
{"".join(rules)}"""


METRICS = f"""\
# From anywhere: Prometheus may live in another namespace, and the API server, through which `spiral k8s` reads these
# pages, has an address that no selector finds. They show counts and times, nothing of what is learned.
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: metrics
  labels:
    app.kubernetes.io/part-of: spiral
spec:
  podSelector:
    matchLabels:
      app.kubernetes.io/instance: spiral
    matchExpressions:
      - key: app.kubernetes.io/name
        operator: In
        values: [{", ".join(f'"{service}"' for service in SERVICES)}]
  policyTypes: ["Ingress"]
  ingress:
    - ports:
        - port: {METRICS_PORT}
          protocol: TCP
"""


def main() -> int:
    """Write all of them to standard output."""
    sys.stdout.write(HEADER + "---\n".join(policies()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
