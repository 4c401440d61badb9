"""Plans a start: the configuration that it trains with, checked before anything on the disk is changed."""

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
    """A start that has passed all checks."""

    kind: Literal["new", "next", "over"]
    """``new``: the run is created. ``next``: the run is resumed. ``over``: its limit was reached before."""
    config: RunConfig
    found: str
    """A sentence for the user: which run it is, and its progress so far."""
    report: list[str]
    """What else the user should know, one sentence each."""
    learnt: CheckpointCounters = NOTHING_LEARNT
    """The progress that the run continues from."""
    remade: bool = False
    """Whether files of an earlier start with another configuration must go; that start learned nothing."""
    initial_weights: bool = False
    """Whether the run's initial weights change: those of a model, or none."""
    schedule_from: int = 0
    """Learned frames at which schedules over the run begin again; 0: they continue."""


def plan_start(run: Run, options: TrainOptions) -> Start:
    """The start that the options ask for. ValueError with a sentence for a wrong preset, setting, engine or data set,
    or for a change that does not fit the checkpoints."""
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
            f'--from: the run "{run.name}" has already begun; leave it out to resume, choose another name with --run, '
            "or begin again with --fresh"
        )
    chosen = next_config(run, options, free=learnt.nothing)
    found = _goes_on(run, learnt)
    if options.frames is not None and learnt.frames >= options.frames:
        over = (
            f"--frames {options.frames}: this limit was reached before, at {learnt.frames:,} frames; nothing is "
            "started or changed. A larger limit resumes the run"
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
    """Raise ValueError if the folder holds files that do not belong to a run, which a run might overwrite."""
    if run.exists or not run.path.is_dir():
        return
    begun = {run.lock_file, run.initial_file, run.initial_card_file, run.initial_discriminator_file}
    others = sorted(path.name for path in run.path.iterdir() if path not in begun and not path.name.startswith("."))
    if others:
        raise ValueError(
            f"run: {run.path} is not a run: it has no {run.config_file.name}, but {', '.join(others[:3])}"
            f"{', …' if len(others) > 3 else ''}; choose another name with --run, or another folder with --runs"
        )


def _check(config: RunConfig, options: TrainOptions, new_data: bool = True) -> list[str]:
    """Sentences about data and model; ValueError if these or the engine can't be used."""
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
            f"--from: {options.model.name} has learned from its maker's own pictures, which do not come with it "
            f"({error}); name yours with --set data={PREFIX}PATH"
        ) from error
    return said if options.model is None else [*said, begun_with(options.model, config)]


def _goes_on(run: Run, learnt: CheckpointCounters) -> str:
    """A sentence about the progress of a resumed run."""
    if learnt.nothing:
        return f"run {run.name} in {run.path} goes on; nothing was learned yet"
    history = run.history()
    lost = (history[-1].get("frames", 0) if history else 0) - learnt.frames
    after = f"; the {lost:,} that it learned after its last checkpoint are lost" if lost > 0 else ""
    return f"run {run.name} in {run.path} goes on after {learnt.frames:,} learned frames{after}"
