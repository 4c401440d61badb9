"""A warning, now and then, that trajectories are dropped because they are too old to learn from."""

from __future__ import annotations

from collections.abc import Callable

from spiral.configuration.schema import LearnerConfig

FIRST_S = 10.0
"""Time from the first trajectory to the first warning: soon enough for a short run; one trajectory is no measure."""
EVERY_S = 60.0
"""Time between two warnings."""
WORTH_SAYING = 0.05
"""Share of dropped trajectories that is worth a warning; the alert SpiralPolicyLagHigh uses the same."""


class LagWarning:
    """Watch how many trajectories are dropped::

    lag_warning = LagWarning(config.learner, time.monotonic)
    while learning:
        if sentence := lag_warning.seen(dropped, arrived):
            log.warning(sentence)
    """

    def __init__(self, config: LearnerConfig, clock: Callable[[], float]) -> None:
        self._config, self._clock = config, clock
        self._due_s: float | None = None
        self._dropped = self._arrived = 0

    def seen(self, dropped: int, arrived: int) -> str:
        """The warning for ``dropped`` of ``arrived`` trajectories since the learner's start; usually empty."""
        if arrived < self._arrived:  # another start
            self._dropped = self._arrived = 0
        if self._due_s is None and arrived:
            self._due_s = self._clock() + FIRST_S
        if arrived == self._arrived or self._due_s is None or self._clock() < self._due_s:
            return ""
        share = (dropped - self._dropped) / (arrived - self._arrived)
        self._dropped, self._arrived = dropped, arrived
        self._due_s = self._clock() + EVERY_S
        if share < WORTH_SAYING:
            return ""
        updates = self._config.reuse * self._config.minibatches
        return (
            f"{dropped:,} of {arrived:,} trajectories were dropped: painted with weights more than "
            f"learner.max_lag={self._config.max_lag} updates old, where each batch makes {updates}; raise "
            f"learner.max_lag, for example to {4 * updates} (four batches), make fewer updates of each batch "
            "(learner.reuse, learner.minibatches), or let the actors paint faster"
        )
