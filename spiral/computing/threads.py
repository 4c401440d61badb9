"""How torch computes in this process."""

from __future__ import annotations

import ctypes
from contextlib import suppress
from pathlib import Path

import torch

_PAUSE_HARD = 2
"""OpenMP 5.0, 3.2.44: give back all that can be, threads above all."""


def compute_with(threads: int) -> None:
    """Use so many threads, and count numbers below 1e-38 as 0 in all of them, and in threads begun later.

    Adam's averages of gradients that have become 0 shrink until they are that small, and stay so. Processors compute
    with such numbers many times slower: an update of a policy after 250,000 frames takes twice as long with them.
    """
    torch.set_num_threads(threads)
    flush_denormals(True)


def flush_denormals(flush: bool) -> None:
    """Count numbers below 1e-38 as 0, or no longer: in this thread and in those that compute for it."""
    _end_workers()
    torch.set_flush_denormal(flush)


def _end_workers() -> None:
    """Have OpenMP end the threads that compute for this one: it starts new ones, which inherit this thread's flag."""
    with suppress(OSError, AttributeError):  # a torch that computes without OpenMP 5.0
        library = ctypes.CDLL(str(Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"))  # it is loaded already
        library.omp_pause_resource_all(_PAUSE_HARD)
