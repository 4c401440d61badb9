"""Detects that a policy has stopped learning without divergence: it is certain of everything, or its gradient is 0."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Kind = Literal["entropy", "gradient"]
KINDS: tuple[Kind, ...] = ("entropy", "gradient")

ZERO_ENTROPY = 1e-3
"""Entropy in nats that counts as 0; below it one choice has more than 99.98 % of the probability."""
ZERO_GRADIENT = 1e-9
"""Norm of the gradient that counts as 0; a smaller one changes no float32 weight."""
WARN_S = 120.0
"""Time at 0 before a warning: long enough that it is neither a single batch nor a phase of a schedule."""

SENTENCES: Mapping[Kind, str] = {
    "entropy": "the entropy of all components has been 0 for {minutes:.0f} minutes: the policy tries nothing new; "
    "begin again with a lower learner.learning_rate or a higher learner.entropy_cost",
    "gradient": "the gradient of the policy has been 0 for {minutes:.0f} minutes: nothing is learned any more; "
    "check whether anything is painted, and begin again with a lower learner.learning_rate",
}


class Saturation:
    """How long entropy and gradient have been at 0."""

    def __init__(self) -> None:
        self.seconds: dict[Kind, float] = dict.fromkeys(KINDS, 0.0)
        """Seconds at 0 as of the last note; 0: it is not at 0."""
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
    """One warning each time that entropy or gradient has been at 0 for :data:`WARN_S`."""

    def __init__(self) -> None:
        self._said: set[Kind] = set()

    def due(self, seconds: Mapping[Kind, float] | Mapping[str, float]) -> list[str]:
        """The warnings that are due after these seconds at 0, by kind."""
        long: set[Kind] = {kind for kind in KINDS if seconds.get(kind, 0.0) >= WARN_S}
        new, self._said = long - self._said, long
        return [SENTENCES[kind].format(minutes=seconds[kind] / 60) for kind in KINDS if kind in new]
