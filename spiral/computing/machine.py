"""What this process may use of the machine: cores, memory and the processor's instructions."""

from __future__ import annotations

import math
import os
from pathlib import Path

import psutil

CGROUP = Path("/sys/fs/cgroup")
MAX_THREADS = 256
"""Largest number of threads that an engine paints with."""
UNCHECKED_BYTES = 8 << 20
"""Memory that is taken without a look at what is left: the look takes as long as a third of a small picture."""


def usable_cores(cgroup: Path = CGROUP) -> int:
    """Cores that this process may keep busy: the minimum of those present, its affinity mask and the cgroup's quota."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _cpu_quota(cgroup)
    return max(1, min(cores, math.floor(quota))) if quota else cores


def usable_threads() -> int:
    """Threads for an engine that has this machine to itself."""
    return min(usable_cores(), MAX_THREADS)


def usable_memory_bytes(cgroup: Path = CGROUP) -> int:
    """Bytes of memory that this process may use: the minimum of the machine's memory and the cgroup's limit."""
    total = int(psutil.virtual_memory().total)
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        text = _read(cgroup / name)
        if text.isdigit():
            return min(total, int(text))
    return total


def free_memory_bytes(cgroup: Path = CGROUP) -> int:
    """Bytes of memory that this process may still take: the minimum of what machine and cgroup have left."""
    left = int(psutil.virtual_memory().available)
    for limit, used, inactive in (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "total_inactive_file"),
    ):
        most, taken = _read(cgroup / limit), _read(cgroup / used)
        if most.isdigit() and taken.isdigit():
            # Cached files count as used, but the kernel drops them when memory is needed.
            stat = dict(line.split() for line in _read(cgroup / Path(used).with_name("memory.stat")).splitlines())
            return max(0, min(left, int(most) - int(taken) + int(stat.get(inactive, 0))))
    return left


def require_memory(wanted: int, what: str) -> None:
    """Raise MemoryError if there are not ``wanted`` bytes left, which ``what`` ("4 canvases of …") need.

    ValueError if there never are. Call this before the work begins: an allocation would succeed anyway, and using it
    would end the process.
    """
    if wanted <= UNCHECKED_BYTES:
        return
    if wanted > (most := usable_memory_bytes()):
        raise ValueError(f"{what} need {wanted / 1e9:,.1f} GB of memory, but there are {most / 1e9:,.1f} GB here")
    if wanted > (left := free_memory_bytes()):
        raise MemoryError(f"{what} need {wanted / 1e9:,.1f} GB of memory, but {left / 1e9:,.1f} GB are left here")


def cpu_flags(cpuinfo: Path = Path("/proc/cpuinfo")) -> frozenset[str]:
    """The processor's instruction sets by Linux's names, for example ``avx2``; empty if unknown."""
    for line in _read(cpuinfo).splitlines():
        if line.startswith(("flags", "Features")):
            return frozenset(line.partition(":")[2].split())
    return frozenset()


def _cpu_quota(cgroup: Path) -> float | None:
    """CPU quota of the cgroup (version 2 or 1), in cores; None without a limit."""
    limit = _read(cgroup / "cpu.max").split()
    if len(limit) == 2 and limit[0].isdigit():
        return int(limit[0]) / int(limit[1])
    quota = _read(cgroup / "cpu/cpu.cfs_quota_us").strip()
    period = _read(cgroup / "cpu/cpu.cfs_period_us").strip()
    if quota.isdigit() and period.isdigit():
        return int(quota) / int(period)
    return None


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
