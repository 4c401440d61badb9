"""Statistics of the episodes in a batch that was learned from: reward, scores, paint, ink, distance to the target."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spiral.evaluation.targets import mse
from spiral.services.learner.unrolls import Places
from spiral.values.actions import ActionSpec
from spiral.values.strokes import laid, painted
from spiral.values.trajectories import Trajectory


def mean_reward(rewards: NDArray[np.float32], where: Places) -> float:
    """Mean reward of an episode; an unroll's reward is scaled up to the whole episode."""
    return float(rewards.sum() / where.valid.sum() * where.num_actions)


def episode_statistics(
    scores: NDArray[np.float32],
    terms: Mapping[str, NDArray[np.float32]],
    where: Places,
    ended: Trajectory | None,
    spec: ActionSpec,
) -> dict[str, Any]:
    """Statistics of the episodes that begin or end in a batch; with long episodes some batches have none.

    ``scores`` and ``terms`` are ``[T + 1, B]``; ``ended`` are the episodes that end.
    """
    statistics: dict[str, Any] = {}
    begins = where.first_step == 0
    if begins.any():
        statistics["score_first"] = float(scores[0, begins].mean())
    if ended is not None:
        statistics["score_final"] = float(scores[-1, where.ends].mean())
        statistics["terms"] = {name: float(values[-1, where.ends].mean()) for name, values in terms.items()}
        statistics["paint_share"] = float(painted(ended.actions, spec).mean())
        start = int(where.first_step[where.ends][0])  # of a long episode only the pictures of the last unroll are here
        strokes = laid(ended.actions, spec)[start:]
        if strokes.any():
            changes = (ended.observations[1:] != ended.observations[:-1]).any((2, 3, 4))
            statistics["ink_share"] = float(changes[: len(strokes)][strokes].mean())
        if ended.targets is not None:
            statistics["mse"] = float(mse(ended.observations[-1], ended.targets).mean())
    return statistics
