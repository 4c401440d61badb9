"""How torch computes in this process."""

from __future__ import annotations

import torch


def compute_with(threads: int) -> None:
    """Use so many threads, and count numbers below 1e-38 as 0; threads begun later do likewise.

    Adam's averages of gradients that have become 0 shrink until they are that small, and stay so. Processors compute
    with such numbers many times slower: an update of a policy after 250,000 frames takes twice as long with them.
    """
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)
