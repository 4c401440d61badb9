"""Which connections the network policies let through: both ends have to allow them."""

from __future__ import annotations

from collections.abc import Iterable

from tests.k8s.static.combinations import Object
from tests.k8s.static.objects import of_kind, selects

Labels = dict[str, str]


def allowed(objects: Iterable[Object], client: Labels, server: Labels, port: int, protocol: str = "TCP") -> bool:
    """Whether a pod with the labels ``client`` may open a connection to ``port`` of one with ``server``."""
    policies = of_kind(objects, "NetworkPolicy")
    return _passes(policies, "Egress", client, server, port, protocol) and _passes(
        policies, "Ingress", server, client, port, protocol
    )


def _passes(policies: list[Object], direction: str, own: Labels, peer: Labels, port: int, protocol: str) -> bool:
    of_pod = [
        policy["spec"]
        for policy in policies
        if direction in policy["spec"]["policyTypes"] and selects(policy["spec"]["podSelector"], own)
    ]
    rules = [rule for spec in of_pod for rule in spec.get(direction.lower(), [])]
    return not of_pod or any(_lets_in(rule, direction, peer, port, protocol) for rule in rules)


def _lets_in(rule: Object, direction: str, peer: Labels, port: int, protocol: str) -> bool:
    peers = rule.get("from" if direction == "Ingress" else "to")
    ports = rule.get("ports")
    return (peers is None or any(_is(one, peer) for one in peers)) and (
        ports is None or any(entry.get("port", port) == port and entry["protocol"] == protocol for entry in ports)
    )


def _is(chosen: Object, labels: Labels) -> bool:
    """Whether a peer of a rule is a pod of this namespace with these labels."""
    return "podSelector" in chosen and "namespaceSelector" not in chosen and selects(chosen["podSelector"], labels)
