"""Whether one of two computations is faster than the other, on a machine that also does other things.

Both are timed in turn, so that whatever slows the machine slows both, and until several pairs in a row agree.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass

AGREEING = 7
"""Pairs in a row that must agree."""
LONG_S, AGREEING_IF_LONG = 5.0, 3
"""Once all timings together have taken so long, fewer pairs must agree: long computations scatter less."""
MOST_PAIRS, MOST_S = 60, 30.0
"""If no pairs agree within these limits, there is no answer."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What was measured, in seconds."""

    first: list[float]
    second: list[float]
    faster: bool | None
    """Whether ``second`` is so much faster; None: the pairs do not agree."""

    def medians(self) -> tuple[float, float]:
        """Median time of each computation."""
        return statistics.median(self.first), statistics.median(self.second)


def compare(first: Callable[[], float], second: Callable[[], float], margin: float) -> Comparison:
    """Whether ``second`` takes less than ``1 / margin`` of the time of ``first``; both return the seconds they took.

    The first call of each, in which memory is allocated and kernels are chosen, does not count.
    """
    first()
    second()
    taken: list[tuple[float, float]] = []
    agreeing, faster = 0, False
    while len(taken) < MOST_PAIRS and (total_s := sum(map(sum, taken))) < MOST_S:
        # Each goes first in half of the pairs.
        pair = (first(), second()) if len(taken) % 2 else (second(), first())[::-1]
        taken.append(pair)
        is_faster = pair[0] >= margin * pair[1]
        agreeing, faster = (agreeing + 1 if is_faster == faster else 1), is_faster
        if agreeing >= (AGREEING_IF_LONG if total_s >= LONG_S else AGREEING):
            return _comparison(taken, faster)
    return _comparison(taken, None)


def _comparison(taken: list[tuple[float, float]], faster: bool | None) -> Comparison:
    return Comparison([pair[0] for pair in taken], [pair[1] for pair in taken], faster)
