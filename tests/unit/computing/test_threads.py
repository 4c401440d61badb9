"""How torch computes in a process."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Thread

import pytest
import torch

from spiral.computing.threads import compute_with, flush_denormals
from spiral.launcher.lockstep import deterministic


@pytest.fixture
def _as_before() -> Iterator[None]:
    threads = torch.get_num_threads()
    flush_denormals(False)
    yield
    torch.set_num_threads(threads)
    flush_denormals(False)


def tiny() -> float:
    """1e-39, a denormal number, computed."""
    return float((torch.full((64,), 1e-30) * 1e-9)[0])


@pytest.mark.usefixtures("_as_before")
def test_numbers_below_1e_38_count_as_0_also_in_threads_begun_later():
    assert tiny() > 0
    compute_with(1)
    found = [tiny()]
    thread = Thread(target=lambda: found.append(tiny()))
    thread.start()
    thread.join(60)
    assert found == [0, 0]
    assert torch.get_num_threads() == 1


@pytest.mark.usefixtures("_as_before")
def test_lockstep_computes_likewise_and_leaves_the_process_as_it_was():
    threads = torch.get_num_threads()
    with deterministic(1):
        assert tiny() == 0
    assert tiny() > 0
    assert torch.get_num_threads() == threads


@pytest.mark.usefixtures("_as_before")
def test_threads_that_computed_before_count_likewise_within_lockstep_and_as_before_after_it():
    def denormal() -> float:
        """Share of the numbers that a product of two threads leaves denormal."""
        return float((torch.full((1 << 20,), 1e-30) * 1e-9 > 0).float().mean())

    torch.set_num_threads(2)
    assert denormal() == 1
    with deterministic(2):
        assert denormal() == 0
    torch.set_num_threads(2)
    assert denormal() == 1
