"""``make cluster-up``: the pods of a kustomization on this machine, to look at; Ctrl-C ends all."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from cluster import rights
from cluster.cluster import WORKLOADS, Cluster
from cluster.manifests import REPOSITORY, render
from spiral.launcher.signals import StopSignals


def main(argv: Sequence[str] | None = None) -> int:
    """Run until Ctrl-C, SIGTERM or a closed terminal, or until a Job has ended; the exit code."""
    parser = argparse.ArgumentParser(prog="make cluster-up", description=__doc__)
    parser.add_argument("kustomization", nargs="?", type=Path, default=REPOSITORY / "k8s")
    parser.add_argument("--folder", type=Path, help="where claims and logs lie, kept at the end; default: a new one")
    parser.add_argument("--gpus", type=int, default=0, help="GPUs that the node has to give")
    options = parser.parse_args(argv)
    why = rights.missing()
    if why:
        sys.stderr.write(f"cluster-up: {why}\n")
        return 2
    try:
        items = render(options.kustomization)
    except ValueError as error:
        sys.stderr.write(f"cluster-up: {error}\n")
        return 2
    folder = options.folder or Path(tempfile.mkdtemp(prefix="spiral-cluster-"))
    node = Cluster(folder, gpus=options.gpus, watch=lambda event: print(event, flush=True))
    with StopSignals() as stop, node as cluster:
        print(f"claims and logs: {folder}", flush=True)
        cluster.apply(items)
        names = [item["metadata"]["name"] for item in items if item["kind"] in WORKLOADS]
        jobs = [item["metadata"]["name"] for item in items if item["kind"] == "Job"]
        shown = ""
        while not stop.wait(1.0):
            now = addresses(cluster)
            if now != shown and cluster.ready(*names):
                shown = now
                print(f"\n{now}\n", flush=True)
            if jobs and all(cluster.job(name) for name in jobs):
                break
        print("ending", flush=True)
        failed = any(cluster.job(name) == "Failed" for name in jobs)
    return 128 + signal.SIGHUP if stop.hung_up else int(failed)


def addresses(cluster: Cluster) -> str:
    """A line for each pod: where its named ports can be reached from this machine."""
    lines = []
    for pod in cluster.pods():
        ports = [port for container in pod.containers for port in container.spec.get("ports", [])]
        places = [
            f"http://{pod.address}:{port['containerPort']}/metrics"
            if port.get("name") == "metrics"
            else f"{port.get('name', 'port')} {pod.address}:{port['containerPort']}"
            for port in ports
        ]
        lines.append(f"{pod.name:40} {pod.status:12} {'  '.join(places)}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
