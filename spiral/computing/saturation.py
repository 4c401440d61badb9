"""Whether a policy has stopped learning without having diverged: it is certain of everything, or nothing moves it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Kind = Literal["entropy", "gradient"]
KINDS: tuple[Kind, ...] = ("entropy", "gradient")

ZERO_ENTROPY = 1e-3
"""Nats; below it one choice has more than 99.98 % of the probability."""
ZERO_GRADIENT = 1e-9
"""Norm; float32 adds less than that to no weight."""
WARN_S = 120.0
"""Batches differ, and a schedule may pass through; this long is neither."""

SENTENCES: Mapping[Kind, str] = {
    "entropy": "the entropy of all components has been 0 for {minutes:.0f} minutes: the policy tries nothing new; "
    "begin anew with a lower learner.learning_rate or a higher learner.entropy_cost",
    "gradient": "the gradient of the policy has been 0 for {minutes:.0f} minutes: nothing is learned any more; "
    "see whether anything is painted, and begin anew with a lower learner.learning_rate",
}


class Saturation:
    """For how long each of both has been at 0."""

    def __init__(self) -> None:
        self.seconds: dict[Kind, float] = dict.fromkeys(KINDS, 0.0)
        """As of the last note; 0: it is not."""
        self._since: dict[Kind, float] = {}

    def note(self, now: float, entropy: Mapping[str, float], gradient_norm: float) -> None:
        """Take in the state at ``now`` (seconds): entropies in nats by component, and the gradient's norm."""
        at_zero: dict[Kind, bool] = {
            "entropy": max(entropy.values()) < ZERO_ENTROPY,
            "gradient": gradient_norm < ZERO_GRADIENT,
        }
        for kind, zero in at_zero.items():
            if zero:
                self.seconds[kind] = now - self._since.setdefault(kind, now)
            else:
                self._since.pop(kind, None)
                self.seconds[kind] = 0.0


class SaturationWarnings:
    """Makes one sentence of each time that something has been at 0 for :data:`WARN_S`."""

    def __init__(self) -> None:
        self._said: set[Kind] = set()

    def due(self, seconds: Mapping[Kind, float] | Mapping[str, float]) -> list[str]:
        """The sentences to say now, for so many seconds by kind."""
        long: set[Kind] = {kind for kind in KINDS if seconds.get(kind, 0.0) >= WARN_S}
        new, self._said = long - self._said, long
        return [SENTENCES[kind].format(minutes=seconds[kind] / 60) for kind in KINDS if kind in new]
