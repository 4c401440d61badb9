"""How torch computes in this process: threads and denormal numbers."""

from __future__ import annotations

import ctypes
from contextlib import suppress
from pathlib import Path

import torch

_PAUSE_HARD = 2
"""OpenMP 5.0, 3.2.44: release all resources that can be released, above all threads."""


def compute_with(threads: int) -> None:
    """Use this many threads, and treat numbers below 1e-38 as 0 in all of them and in threads that start later.

    When a gradient has become 0, Adam's averages of it shrink until they are that small, and stay there. Processors are
    many times slower with such numbers: an update of a policy after 250,000 frames takes twice as long.
    """
    torch.set_num_threads(threads)
    flush_denormals(True)


def flush_denormals(flush: bool) -> None:
    """Switch on or off that numbers below 1e-38 are 0, in this thread and in those that compute for it."""
    _end_workers()
    torch.set_flush_denormal(flush)


def _end_workers() -> None:
    """Let OpenMP end the threads that compute for this one; new threads inherit this thread's flag."""
    with suppress(OSError, AttributeError):  # a torch without OpenMP 5.0
        library = ctypes.CDLL(str(Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"))  # already loaded
        library.omp_pause_resource_all(_PAUSE_HARD)
