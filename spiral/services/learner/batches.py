"""Makes learner batches out of trajectory messages."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from spiral.values.trajectories import Trajectory


def join(trajectories: Sequence[Trajectory]) -> Trajectory:
    """One trajectory ``[T, ΣB, …]`` that owns its arrays.

    Always copies: what comes from the network lies in read-only memory whose slot is to be freed.
    """
    parts = [trajectory.tensors() for trajectory in trajectories]
    # Time comes first where there is time.
    timed = ("observations", "actions", "behaviour_log_prob", "earlier")
    return Trajectory(**{name: np.concatenate([part[name] for part in parts], int(name in timed)) for name in parts[0]})
