"""What a service's threads are doing: asks it with SIGUSR1 to log their stacks, and reads them from its log."""

from __future__ import annotations

import asyncio
import time

from spiral.kubernetes.cluster import Cluster
from spiral.kubernetes.errors import ClusterError
from spiral.kubernetes.sockets import CommandError, execute
from spiral.kubernetes.workloads import Part, read_parts
from spiral.serving.stacks import last_stacks
from spiral.wire.edges import Service

PROCESSES = "/proc"
# To those processes alone that handle the signal: it would end any other, and a service that is still starting.
SIGNAL = """
for place in "$1"/[0-9]*; do
  while read -r key value; do
    case "$key $value" in "SigCgt: "*[2367abef]??) kill -USR1 "${place##*/}" && sent=1;; esac
  done < "$place/status"
done 2> /dev/null
test -n "$sent"
"""
"""SIGUSR1 is number 10, hence bit 9 of the mask of handled signals, in the third hexadecimal digit from its end."""
PATIENCE_S, ASK_AGAIN_S = 15.0, 0.3


async def stacks(cluster: Cluster, service: Service) -> list[tuple[str, str]]:
    """Name of the pod and stacks of all threads, for each running pod of a service; ClusterError if none runs."""
    parts = [part for part in await read_parts(cluster, [service]) if part.running]
    if not parts:
        raise ClusterError(f"no pod of the {service} runs; `spiral k8s status` shows what there is")
    return [(part.name, await _stacks_of(cluster, part)) for part in parts]


async def _stacks_of(cluster: Cluster, part: Part) -> str:
    before = await _log(cluster, part)
    try:
        await execute(cluster, part.name, part.container.name, ["sh", "-c", SIGNAL, "sh", PROCESSES])
    except CommandError as error:
        if error.code is None:
            raise
        raise ClusterError(
            f"pod {part.name} has no process that logs its stacks: it is still starting, or its image is older than "
            "this command"
        ) from error
    deadline, seen = time.monotonic() + PATIENCE_S, ""
    while time.monotonic() < deadline:
        log = await _log(cluster, part)
        found = last_stacks(log) if log != before else ""
        if found and found == seen:  # nothing more of it is on its way
            return found
        seen = found
        await asyncio.sleep(ASK_AGAIN_S)
    raise ClusterError(f"pod {part.name} has logged no stacks within {PATIENCE_S:g} s: it may be stopped, or starved")


async def _log(cluster: Cluster, part: Part) -> str:
    return str(
        await cluster.core.read_namespaced_pod_log(
            part.name, cluster.namespace, container=part.container.name, tail_lines=1000
        )
    )
