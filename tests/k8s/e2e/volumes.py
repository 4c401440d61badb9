"""What lies on the claims of learner and discriminator, and a way to leave no room on them."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from fnmatch import fnmatch
from itertools import chain
from pathlib import Path
from typing import Any

from cluster.cluster import Cluster

PIECE_BYTES = 4096
"""The smallest room that a file needs."""


def claim(cluster: Cluster, service: str) -> Path:
    """The folder of this machine that is the service's claim."""
    return cluster.claims.path("spiral", f"state-{service}-0")


def store(cluster: Cluster, service: str) -> Path:
    """The folder of the service's checkpoints, once it has been started."""
    (generation,) = _found(cluster, service, "generation")
    return generation.parent


def checkpoints(cluster: Cluster, service: str) -> list[Path]:
    """The service's checkpoints, oldest first; nothing that is being written or removed."""
    return sorted(_found(cluster, service, "checkpoint-*"))


def _found(cluster: Cluster, service: str, pattern: str) -> list[Path]:
    """What is called so on the claim, by one walk: ``rglob`` fails where a folder vanishes under it."""
    entries = ((folder, name) for folder, *names in os.walk(claim(cluster, service)) for name in chain(*names))
    return [Path(folder, name) for folder, name in entries if fnmatch(name, pattern)]


def counters(checkpoint: Path) -> dict[str, Any]:
    """What a checkpoint says of its progress."""
    read: dict[str, Any] = json.loads((checkpoint / "counters.json").read_text())
    return read


def resumed(cluster: Cluster) -> dict[int, tuple[str, int]]:
    """Generation of the learner → checkpoint that it went on from, and its frames, as its log says."""
    found = re.findall(r"generation (\d+), resumed (\S+): ([\d,]+) frames", cluster.log("learner"))
    return {int(generation): (name, int(frames.replace(",", ""))) for generation, name, frames in found}


@contextmanager
def full(volume: Path) -> Iterator[Callable[[], None]]:
    """No room on the volume, as long as the block lasts; the function takes what has been freed since."""
    ballast = volume / "ballast"

    def fill() -> None:
        with suppress(OSError), ballast.open("ab", buffering=0) as file:
            while file.write(bytes(PIECE_BYTES)):
                pass

    fill()
    try:
        yield fill
    finally:
        ballast.unlink()
