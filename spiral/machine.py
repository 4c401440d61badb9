"""What this machine gives to this process: cores, memory and the processor's abilities."""

from __future__ import annotations

import math
import os
from pathlib import Path

import psutil

CGROUP = Path("/sys/fs/cgroup")
MAX_THREADS = 256
"""Most threads that an engine paints with."""


def usable_cores(cgroup: Path = CGROUP) -> int:
    """Cores this process may keep busy: the least of those present, its affinity mask and the cgroup's quota."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _cpu_quota(cgroup)
    return max(1, min(cores, math.floor(quota))) if quota else cores


def usable_threads() -> int:
    """Threads for an engine that has this machine to itself."""
    return min(usable_cores(), MAX_THREADS)


def usable_memory_bytes(cgroup: Path = CGROUP) -> int:
    """Bytes of memory this process may use: the least of what the machine has and the cgroup's limit."""
    total = int(psutil.virtual_memory().total)
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        text = _read(cgroup / name)
        if text.isdigit():
            return min(total, int(text))
    return total


def cpu_flags(cpuinfo: Path = Path("/proc/cpuinfo")) -> frozenset[str]:
    """Instruction sets of the processor by Linux's names, for example ``avx2``; empty where that is not known."""
    for line in _read(cpuinfo).splitlines():
        if line.startswith(("flags", "Features")):
            return frozenset(line.partition(":")[2].split())
    return frozenset()


def _cpu_quota(cgroup: Path) -> float | None:
    """Cores' worth of time that the cgroup grants, version 2 or 1; None without a limit."""
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
