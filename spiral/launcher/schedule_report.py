"""A report about the schedules of a resumed run."""

from __future__ import annotations

from spiral.configuration.schema import LearnerConfig
from spiral.runs.checkpoint_counters import CheckpointCounters
from spiral.services.learner.schedule import falls_over_run


def about_schedule(config: LearnerConfig, learnt: CheckpointCounters, restart: bool) -> list[str]:
    """How far the schedules over the run have fallen; empty if all fall by frames, or none has begun to fall.

    ValueError if a restart is asked for and no schedule falls over the run.
    """
    if not falls_over_run(config):
        if restart:
            raise ValueError(
                "--restart-schedule: this run has no schedule over the run; --set learner.learning_rate_frames=null "
                "lets its learning rate fall over the run from now on"
            )
        return []
    if restart:
        return ["its schedules begin again and fall until the end of this start"]
    if not learnt.run_share:
        return []
    if learnt.run_share < 1:
        return [
            f"its schedules are {learnt.run_share:.0%} done and continue to fall until the end of this start; "
            "--restart-schedule begins them again"
        ]
    return ["its schedules have reached their floors and stay there; --restart-schedule begins them again"]
