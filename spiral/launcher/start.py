"""What a start is to do: the configuration that it trains with, checked, before anything on the disk is changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from spiral.configuration.paths import PREFIX
from spiral.configuration.schema import RunConfig
from spiral.datasets import DatasetMissingError
from spiral.launcher.configuration import begun_with, new_config, next_config
from spiral.launcher.data_check import check_data, find_data
from spiral.launcher.engine_check import check_engine
from spiral.launcher.options import TrainOptions
from spiral.launcher.schedule_report import about_schedule
from spiral.runs.checkpoint_counters import NOTHING_LEARNT, CheckpointCounters, read_checkpoint_counters
from spiral.runs.directory import Run


@dataclass(frozen=True, slots=True)
class Start:
    """A start that nothing stands in the way of."""

    kind: Literal["new", "next", "over"]
    """``new``: of a run that is made. ``next``: of one that goes on. ``over``: its limit was reached before."""
    config: RunConfig
    found: str
    """Which run it is, and what it has behind it: a sentence for the user."""
    report: list[str]
    """What else the user should know, a sentence each."""
    learnt: CheckpointCounters = NOTHING_LEARNT
    """What the run goes on from."""
    remade: bool = False
    """Whether what an earlier start made for another configuration has to go: it has learned nothing."""
    initial_weights: bool = False
    """Whether the run begins with other weights than it has: those of a model, or none."""
    schedule_from: int = 0
    """Learned frames at which what falls over the run is to begin anew; 0: it goes on."""


def plan_start(run: Run, options: TrainOptions) -> Start:
    """The start that is asked for. ValueError with a sentence: wrong preset, setting, engine or data, a change that the
    checkpoints can't follow."""
    return _next_start(run, options) if run.exists and not options.fresh else _new_start(run, options)


def _new_start(run: Run, options: TrainOptions) -> Start:
    _refuse_other_folder(run)
    config = new_config(options, run)
    found = f"new run {run.name} in {run.path}" + (f", preset {config.preset}" if config.preset else "")
    return Start("new", config, found, _check(config, options), initial_weights=True)


def _next_start(run: Run, options: TrainOptions) -> Start:
    learnt = read_checkpoint_counters(run)
    if options.model is not None and not learnt.nothing:
        raise ValueError(
            f'--from: the run "{run.name}" has begun already; leave it out to go on, choose another name with --run, '
            "or begin anew with --fresh"
        )
    chosen = next_config(run, options, free=learnt.nothing)
    found = _goes_on(run, learnt)
    if options.frames is not None and learnt.frames >= options.frames:
        over = (
            f"--frames {options.frames}: this limit was reached before, at {learnt.frames:,} frames; nothing is "
            "started or changed, a larger one goes on"
        )
        return Start("over", chosen.config, found, [over], learnt)
    schedule = about_schedule(chosen.config.learner, learnt, options.restart_schedule)
    return Start(
        "next",
        chosen.config,
        found,
        [*chosen.report, *schedule, *_check(chosen.config, options, new_data=chosen.remade)],
        learnt,
        remade=chosen.remade,
        initial_weights=chosen.initial_weights,
        schedule_from=learnt.frames if options.restart_schedule else 0,
    )


def _refuse_other_folder(run: Run) -> None:
    """ValueError if a run would be made among files that are none of a run's, and would overwrite some of them."""
    if run.exists or not run.path.is_dir():
        return
    begun = {run.lock_file, run.initial_file, run.initial_card_file, run.initial_discriminator_file}
    others = sorted(path.name for path in run.path.iterdir() if path not in begun and not path.name.startswith("."))
    if others:
        raise ValueError(
            f"run: {run.path} is no run: it has no {run.config_file.name}, but {', '.join(others[:3])}"
            f"{', …' if len(others) > 3 else ''}; choose another name with --run, or another folder with --runs"
        )


def _check(config: RunConfig, options: TrainOptions, new_data: bool = True) -> list[str]:
    """What is to be said of data and model; ValueError if these or the engine can't be used."""
    shape = check_engine(config, options.settings)
    said: list[str] = []
    try:
        if new_data:
            said += check_data(config, shape)
        else:
            find_data(config)
    except DatasetMissingError as error:
        if options.model is None or not config.data.startswith(PREFIX):
            raise
        raise ValueError(
            f"--from: {options.model.name} has learned from pictures of its maker's own, which do not come with it "
            f"({error}); name yours with --set data={PREFIX}PATH"
        ) from error
    return said if options.model is None else [*said, begun_with(options.model, config)]


def _goes_on(run: Run, learnt: CheckpointCounters) -> str:
    """What a resumed run has behind it."""
    if learnt.nothing:
        return f"run {run.name} in {run.path} goes on; nothing was learned yet"
    history = run.history()
    lost = (history[-1].get("frames", 0) if history else 0) - learnt.frames
    after = f"; the {lost:,} that it learned after its last checkpoint are lost" if lost > 0 else ""
    return f"run {run.name} in {run.path} goes on after {learnt.frames:,} learned frames{after}"
