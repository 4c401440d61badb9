"""Versions of weights: they compare by generation first, then by number, and never go back.

Generations count the starts on one run directory. So a learner with another directory at the old address may announce a
lower version than its actors hold. The actors then take its weights, and it refuses trajectories painted with newer
weights than its own, which it would otherwise learn from as if they were fresh.
"""

from __future__ import annotations

from typing import NamedTuple


class Version(NamedTuple):
    """The version of a service's weights; ``Version(0, 0)`` means that there are none yet."""

    generation: int = 0
    """How often the service was started on its run directory, from 1."""
    number: int = 0
    """Updates made so far over the whole run."""

    def __str__(self) -> str:
        return f"{self.generation}.{self.number}"
