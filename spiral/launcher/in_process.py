"""``--in-process``: the run in lockstep in this process, behind the same display."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from spiral.computing.divergence import DivergedError
from spiral.computing.saturation import SaturationWarnings
from spiral.launcher.display import Display
from spiral.launcher.lockstep import run_lockstep
from spiral.launcher.progress import from_record
from spiral.launcher.run_directory import OpenRun
from spiral.launcher.signals import StopSignals
from spiral.runs.checkpoint_reading import CheckpointError
from spiral.runs.limits import Limits


def run_in_process(
    opened: OpenRun, threads: Mapping[str, int], limits: Limits, display: Display, stop: StopSignals
) -> str:
    """Train until the limit or a stop signal. Returns a text about what went wrong, empty if nothing did.

    ValueError if the run can't continue with its configuration.
    """

    started, saturation = time.monotonic(), SaturationWarnings()

    def show(record: Mapping[str, Any]) -> None:
        progress = from_record(record, time.monotonic() - started, limits)
        display.show(progress)
        for sentence in saturation.due(progress.saturated):
            display.say(sentence)

    try:
        found = run_lockstep(
            opened.config,
            opened.run,
            limits,
            threads=threads["in-process"],
            stopping=stop.event,
            on_record=show,
            schedule_from=opened.schedule_from,
        )
    except DivergedError as error:
        return f"{error.service}: {error}"
    except (OSError, CheckpointError) as error:
        return str(error)
    display.say(found)
    return ""
