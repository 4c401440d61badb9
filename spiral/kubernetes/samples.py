"""The newest pictures that the learner has written, and its learning curve."""

from __future__ import annotations

import re
from dataclasses import dataclass

from spiral.kubernetes.cluster import Cluster
from spiral.kubernetes.errors import ClusterError, TransferError
from spiral.kubernetes.run_volume import open_run_volume
from spiral.kubernetes.transfers import fetch_file, list_names

KINDS = {".png": (re.compile(r"sheet-(\d+)\.png"), b"IEND"), ".gif": (re.compile(r"painting-(\d+)\.gif"), b";")}
"""By file ending: the names of the learner's contact sheets and animations, and the last bytes of such a file."""
HISTORY = "history.jsonl"


@dataclass(frozen=True, slots=True)
class Sample:
    """A picture file from the cluster."""

    name: str
    frames: int
    """Learned frames when it was made."""
    content: bytes


async def newest_sample(cluster: Cluster, ending: str) -> Sample:
    """The newest contact sheet (``.png``) or animation (``.gif``); ClusterError if there is none yet."""
    pattern, tail = KINDS[ending]
    async with open_run_volume(cluster, "learner") as volume:
        names = [name for name in await list_names(cluster, volume, "samples") if pattern.fullmatch(name)]
        if not names:
            raise ClusterError(
                "the learner has written no samples yet; the first come a minute (learner.sample_s) after the first "
                "batch: `spiral k8s status` shows whether it learns"
            )
        content = await fetch_file(cluster, volume, f"samples/{names[-1]}")
    if tail not in content[-12:]:
        raise TransferError(f"{names[-1]} did not arrive whole ({len(content)} bytes); try again")
    found = pattern.fullmatch(names[-1])
    return Sample(names[-1], int(found[1]) if found else 0, content)


async def read_history(cluster: Cluster) -> bytes:
    """The run's learning curve, one JSON object per line; ClusterError if there is none yet."""
    async with open_run_volume(cluster, "learner") as volume:
        if HISTORY not in await list_names(cluster, volume, "."):
            raise ClusterError("the learner has written no history yet: `spiral k8s status` shows whether it learns")
        return await fetch_file(cluster, volume, HISTORY)
