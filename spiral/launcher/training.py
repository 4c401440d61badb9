"""``spiral train`` from the first check to the last picture."""

from __future__ import annotations

import json
import math
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TextIO

from spiral.computing.machine import usable_cores
from spiral.launcher import threads as thread_counts
from spiral.launcher.demo_pictures import paint_demo_pictures
from spiral.launcher.display import Display, open_display
from spiral.launcher.engine_report import report_engine
from spiral.launcher.options import TrainOptions
from spiral.launcher.run_directory import OpenRun, open_run
from spiral.launcher.run_services import run_services
from spiral.launcher.signals import StopSignals

ENDING_S = 60.0
"""Longest time for the pictures at the end after SIGTERM: the sender does not wait much longer."""


def train_run(options: TrainOptions, stream: TextIO | None = None) -> int:
    """Train, show progress, and end with pictures. Returns the exit code.

    It is 0, or 1 if a service could not be kept alive or the disk not written. If the limit was reached before, nothing
    is trained. A closed terminal (SIGHUP) also stops the run in order, but nothing is shown: 129. A second signal
    leaves no time for that: 130 or 143. Raises ValueError with a sentence if the request can't be met.
    """
    stream = stream or sys.stdout
    wanted = thread_counts.parse(options.threads)
    _check_computing(options)
    with StopSignals() as stop:
        try:
            failure = _train_and_show(options, wanted, stream, stop)
        except KeyboardInterrupt:
            failure = "stopped"
        except OSError:
            if not stop.hung_up:
                raise
            failure = ""  # the terminal was closed while a line was written to it
    if failure:
        print(f"spiral: {failure}", file=sys.stderr)
    number = signal.SIGHUP if stop.hung_up else stop.interrupted
    if number:
        return 128 + number
    return 1 if failure else 0


def _train_and_show(options: TrainOptions, wanted: Mapping[str, int], stream: TextIO, stop: StopSignals) -> str:
    """Run from the beginning to the pictures. Returns what went wrong; empty if nothing did."""
    opened = open_run(options)
    try:
        _refuse_to_repeat(opened, "fp32" if options.in_process else options.computing.precision)
        with open_display(stream, _title(opened), lambda: greatest_entropies(opened.run.engine_file)) as display:
            for sentence in (*opened.report, *report_engine(opened.run, opened.config)):
                display.say(sentence)
            failure = "" if opened.reached else _train(options, opened, wanted, display, stop)
        if not stop.hung_up:
            _end(opened, options.paintings, stream, stop)
        return failure
    finally:
        opened.close()


def _refuse_to_repeat(opened: OpenRun, precision: str) -> None:
    """Raise ValueError if this start would give up as an earlier one did."""
    for service in ("learner", "discriminator"):
        if sentence := opened.divergence(service, precision):
            raise ValueError(f"{service}: {sentence}")


def _check_computing(options: TrainOptions) -> None:
    """Refuse impossible combinations before a directory is created; the services settle what must be measured."""
    device, precision = options.computing.device, options.computing.precision
    if options.in_process and device == "cuda":
        raise ValueError("--device cuda and --in-process: lockstep computes on the CPU; leave one of them out")
    if options.in_process and precision == "bf16":
        raise ValueError("--precision bf16 and --in-process: lockstep computes in fp32; leave one of them out")
    if device == "cuda":
        from spiral.computing.devices import choose_device  # noqa: PLC0415  (imports torch)

        choose_device(device)


def greatest_entropies(engine_file: Path) -> dict[str, float]:
    """ln n of each component of the run's engine, the maximum of its entropy; empty while it is not known."""
    try:
        components = json.loads(engine_file.read_text())["spec"]["components"]
        return {component["name"]: math.log(component["size"]) for component in components}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _measure(opened: OpenRun, wanted: Mapping[str, int]) -> dict[str, int]:
    """Threads of each service: as wanted, else as the run began, else as suits this machine."""
    cores = usable_cores()
    threads = thread_counts.choose(cores, opened.machine.get("threads", {}), wanted)
    opened.remember_machine({"cores": cores, **opened.machine, "threads": threads})
    return threads


def _show_demo_pictures(opened: OpenRun, display: Display, stop: StopSignals) -> None:
    """Show at the start of a demo what longer training has led to."""
    if opened.config.preset != "demo":
        return
    try:
        for name, sheet in paint_demo_pictures(opened.run.path / "pictures", stop.event).items():
            display.say(f"just painted by the model {name}, which ships with the package: {sheet}")
    except RuntimeError as error:
        display.say(f"{error}; the run goes on without")


def _title(opened: OpenRun) -> str:
    return f"SPIRAL · {opened.run.name} · preset {opened.config.preset or 'of its own'}"


def _train(
    options: TrainOptions, opened: OpenRun, wanted: Mapping[str, int], display: Display, stop: StopSignals
) -> str:
    threads = _measure(opened, wanted)
    _show_demo_pictures(opened, display, stop)
    if not options.in_process:
        return run_services(opened, threads, options.limits, display, stop, options.computing)
    from spiral.launcher.in_process import run_in_process  # noqa: PLC0415  (imports torch and every service)

    with stop.interruptible(1):  # the first signal ends it after the batch, which may be long
        return run_in_process(opened, threads, options.limits, display, stop)


def _end(opened: OpenRun, paintings: int, stream: TextIO, stop: StopSignals) -> None:
    """Make and show the ending. One more signal cuts it short; after SIGTERM, so does a minute."""
    from spiral.launcher.final_pictures import make_ending, show_ending  # noqa: PLC0415  (imports torch)

    def say(text: str) -> None:
        if stream.isatty():
            print(f"· {text}", file=stream, flush=True)

    with stop.interruptible(0, ENDING_S if signal.SIGTERM in stop.numbers else 0.0):
        ending = make_ending(opened.run, say, paintings)
    show_ending(ending, stream)
