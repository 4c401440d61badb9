"""``--in-process``: the run in lockstep in this process, behind the same display."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.launcher.display import Display
from services.launcher.lockstep import run_lockstep
from services.launcher.progress import Limits, from_record
from services.launcher.run_directory import OpenRun
from services.launcher.signals import StopSignals
from services.learner.run import Limits as LearnerLimits


def run_in_process(
    opened: OpenRun, threads: Mapping[str, int], limits: Limits, display: Display, stop: StopSignals
) -> None:
    """Train until the limit or a stop signal; ValueError or CheckpointError where the run can't go on."""

    def show(record: Mapping[str, Any]) -> None:
        display.show(from_record(record, limits))

    minutes = None if limits.seconds is None else limits.seconds / 60
    found = run_lockstep(
        opened.config,
        opened.run,
        LearnerLimits(limits.frames, minutes),
        threads=threads["in-process"],
        stopping=stop.event,
        on_record=show,
    )
    display.say(found)
