"""Which of two computations is faster: an answer that start-up noise does not change."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from spiral.computing.paired_timing import AGREEING, MOST_PAIRS, MOST_S, compare

MARGIN = 1.15


def scattered(rng: random.Random, seconds: float, load: list[float]) -> Callable[[], float]:
    """A computation that takes 0.9 to 1.1 times ``seconds``, and a third of them up to twice that, under a load that
    changes."""

    def timed() -> float:
        load[0] = min(max(load[0] * rng.uniform(0.8, 1.25), 1.0), 3.0)
        disturbed = rng.uniform(1.0, 2.0) if rng.random() < 1 / 3 else 1.0
        return seconds * load[0] * rng.uniform(0.9, 1.1) * disturbed

    return timed


def answers(ratio: float, starts: int = 300) -> list[bool | None]:
    """The answers of many starts where the second computation is ``ratio`` times as fast."""
    found = []
    for seed in range(starts):
        rng, load = random.Random(seed), [1.0]
        found.append(compare(scattered(rng, 0.01, load), scattered(rng, 0.01 / ratio, load), MARGIN).faster)
    return found


def test_noise_makes_nothing_faster_that_is_not() -> None:
    assert answers(0.9).count(True) == 0
    assert answers(1.0).count(True) <= 300 * 0.05
    assert answers(2.5).count(True) >= 300 * 0.95


def test_pairs_that_disagree_give_no_answer() -> None:
    order = iter(range(10 * MOST_PAIRS))
    measured = compare(lambda: 1e-3 * (1 + next(order) % 7), lambda: 3e-3, MARGIN)
    assert measured.faster is None
    assert len(measured.first) == len(measured.second) == MOST_PAIRS


def test_what_is_clear_takes_few_pairs_and_the_first_call_of_each_does_not_count() -> None:
    slow, fast = iter([9.0, *[0.02] * 99]), iter([90.0, *[0.01] * 99])
    measured = compare(lambda: next(slow), lambda: next(fast), MARGIN)
    assert measured.faster is True
    assert measured.first == [0.02] * AGREEING
    assert measured.medians() == (0.02, 0.01)


@pytest.mark.parametrize("seconds", [4.0, 20.0])
def test_long_computations_are_timed_a_few_times(seconds: float) -> None:
    calls = []

    def timed() -> float:
        calls.append(seconds)
        return seconds

    measured = compare(timed, timed, MARGIN)
    assert measured.faster is (False if seconds < MOST_S / 6 else None)
    assert sum(calls[2:]) <= MOST_S + 2 * seconds
