"""What the policy's gradient is taken of. A new objective is one file with ``build(config)`` and its line here."""

from __future__ import annotations

from collections.abc import Callable

from spiral.configuration.schema import LearnerConfig
from spiral.services.learner.objectives import clip, decoupled, uncorrected, vtrace
from spiral.services.learner.objectives.objective import PolicyObjective

BUILDERS: dict[str, Callable[[LearnerConfig], PolicyObjective]] = {
    "vtrace": vtrace.build,
    "clip": clip.build,
    "decoupled": decoupled.build,
    "none": uncorrected.build,
}


def build_objective(config: LearnerConfig) -> PolicyObjective:
    """The objective that ``config.off_policy`` names; raises ValueError where nobody has that name."""
    if config.off_policy not in BUILDERS:
        raise ValueError(f'learner.off_policy: "{config.off_policy}" is unknown; expected one of {", ".join(BUILDERS)}')
    return BUILDERS[config.off_policy](config)


__all__ = ["BUILDERS", "PolicyObjective", "build_objective"]
