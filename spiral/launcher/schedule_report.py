"""What is to be said of the schedules of a run that goes on."""

from __future__ import annotations

from spiral.configuration.schema import LearnerConfig
from spiral.runs.checkpoint_counters import CheckpointCounters
from spiral.services.learner.schedule import falls_over_run


def about_schedule(config: LearnerConfig, learnt: CheckpointCounters, restart: bool) -> list[str]:
    """Where what falls over the run stands; nothing where all falls by frames, or has not begun to fall.

    ValueError if a restart is asked for and nothing falls over the run.
    """
    if not falls_over_run(config):
        if restart:
            raise ValueError(
                "--restart-schedule: nothing falls over this run; --set learner.learning_rate_frames=null lets its "
                "learning rate fall over the run, from now on"
            )
        return []
    if restart:
        return ["its schedules begin anew and fall until the end of this start"]
    if not learnt.run_share:
        return []
    if learnt.run_share < 1:
        return [
            f"its schedules have come {learnt.run_share:.0%} of their way and fall on until the end of this start; "
            "--restart-schedule begins them anew"
        ]
    return ["its schedules have reached their floors and stay there; --restart-schedule begins them anew"]
