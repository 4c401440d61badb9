"""What lies on the claims of learner and discriminator, and a way to leave no room on them."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.k8s.cluster.cluster import Cluster


def claim(cluster: Cluster, service: str) -> Path:
    """The folder of this machine that is the service's claim."""
    return cluster.claims.path("spiral", f"state-{service}-0")


def store(cluster: Cluster, service: str) -> Path:
    """The folder of the service's checkpoints, once it has been started."""
    (generation,) = claim(cluster, service).rglob("generation")
    return generation.parent


def checkpoints(cluster: Cluster, service: str) -> list[Path]:
    """The service's checkpoints, oldest first; nothing that is being written or removed."""
    return sorted(claim(cluster, service).rglob("checkpoint-*"))


def counters(checkpoint: Path) -> dict[str, Any]:
    """What a checkpoint says of its progress."""
    read: dict[str, Any] = json.loads((checkpoint / "counters.json").read_text())
    return read


def resumed(cluster: Cluster) -> dict[int, tuple[str, int]]:
    """Generation of the learner → checkpoint that it went on from, and its frames, as its log says."""
    found = re.findall(r"generation (\d+), resumed (\S+): ([\d,]+) frames", cluster.log("learner"))
    return {int(generation): (name, int(frames.replace(",", ""))) for generation, name, frames in found}


@contextmanager
def full(volume: Path) -> Iterator[None]:
    """No room on the volume, as long as the block lasts."""
    ballast = volume / "ballast"
    try:
        with ballast.open("wb") as file:
            while room := os.statvfs(volume).f_bavail:
                os.posix_fallocate(file.fileno(), os.fstat(file.fileno()).st_size, room * os.statvfs(volume).f_frsize)
        yield
    finally:
        ballast.unlink()
