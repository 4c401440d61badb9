"""What a run is to train with: made for a new one, kept or changed for one that exists."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from spiral.configuration.changes import changes
from spiral.configuration.files import blame, load_config, preset_names
from spiral.configuration.schema import RunConfig
from spiral.launcher.data_check import say_relative
from spiral.models import CONFIG, POLICY, check_weights, find_discriminator, read_card
from spiral.runs.dataset_record import same_files
from spiral.runs.directory import Run

DEFAULT_PRESET = "demo"
HOLD_BATCHES = 300
"""Batches from which a new discriminator learns alone before a model that trains on is changed by what it says."""


@dataclass(frozen=True, slots=True)
class Request:
    """What the user asks for."""

    runs: Path
    preset: str | None = None
    """None: the run's own, or ``demo`` for a new one. A file is read at every start, a named preset at the first."""
    name: str | None = None
    """None: the preset's name."""
    settings: Sequence[str] = ()
    fresh: bool = False
    model: Path | None = None
    """Folder of the model whose weights and configuration a new run begins with."""
    frames: int | None = None
    """Limit of frames over the whole run."""
    restart_schedule: bool = False
    """What falls over the run is to begin anew."""


@dataclass(frozen=True, slots=True)
class Settled:
    """The configuration of a start."""

    config: RunConfig
    report: list[str]
    """What changes against the stored one: one sentence each."""
    remade: bool = False
    """Whether it differs in what the run's checkpoints are made for."""
    begins: bool = False
    """Whether the run begins with other weights than it was to: those of a model, or none."""


def default_name(request: Request) -> str:
    """Name of the run: the model's, the preset's, or the file's without its ending."""
    if request.model is not None:
        return request.model.name
    preset = request.preset or DEFAULT_PRESET
    return Path(preset).stem if _is_file(preset) else preset


def new_config(request: Request, run: Run) -> RunConfig:
    """What a new run is to train with; where a model comes without its discriminator, one learns alone at first."""
    if request.model is None:
        return load_config(request.preset or _own_preset(run), request.settings)
    as_it_was = str(request.model / CONFIG)
    judge = load_config(as_it_was, request.settings, request.model).discriminator
    alone = judge.kind == "learned" and find_discriminator(request.model) is None
    held = f"learner.hold_batches={HOLD_BATCHES if alone else 0}"
    return load_config(as_it_was, [held, *request.settings], request.model)


def begun_with(model: Path, config: RunConfig) -> str:
    """Where in its schedules a run from a model begins; ValueError where the model is damaged or they leave nothing to
    learn with."""
    if not (model / POLICY).is_file():
        raise ValueError(f"--from: {model} has no {POLICY}; name a folder that `spiral models export` made")
    for weights in filter(None, (model / POLICY, find_discriminator(model))):
        check_weights(weights)
    frames, learner = read_card(model).frames, config.learner
    left = learner.rate_left(frames, 0.0)
    if not left:
        raise ValueError(
            f"--from: after the {frames:,} frames of {model.name} its learning rate has fallen to 0, so nothing would "
            "be learnt; choose one, for example --set learner.learning_rate=0.0003 --set learner.learning_rate_floor=1"
        )
    rate = f"{learner.learning_rate * left:.2g} ({left:.2g} of learner.learning_rate)"
    return f"begins with {model.name} after its {frames:,} frames, at a learning rate of {rate}"


def settle(run: Run, request: Request, free: bool) -> Settled:
    """The configuration to go on with; ``free``: nothing was learnt yet, so that everything may change.

    Raises ValueError where the checkpoints can't follow, or the preset is not the run's.
    """
    if free and request.model is not None:
        return Settled(new_config(request, run), [], remade=True, begins=True)
    stored = run.config()
    file = request.preset if request.preset and _is_file(request.preset) else None
    other = bool(request.preset and not file and request.preset != stored.preset)
    if other and not free:
        raise ValueError(
            f'run: "{run.name}" was made with preset "{stored.preset}", not "{request.preset}"; '
            "choose another name with --run, or begin anew with --fresh"
        )
    begins_from = request.preset if file or other else None
    config = load_config(begins_from or str(run.config_file), request.settings)
    report, remade = say_relative(run, stored), False
    for change in changes(stored, config):
        fixed = change.fixed and not (change.key == "data" and same_files(run, config.data))
        if fixed and not free:
            own = [setting for setting in request.settings if _sets(setting, change.key)]
            raise ValueError(
                f"{blame(own, '') + ': ' if own else ''}{change.key}: {change.after!r} does not fit the run "
                f'"{run.name}", which has learnt with {change.before!r}; choose another name with --run, or begin '
                "anew with --fresh"
            )
        remade |= fixed
        report.append(f"{change.key} was {change.before!r} and is {change.after!r} from now on")
    return Settled(config, report, remade, begins=other)


def _own_preset(run: Run) -> str:
    """The preset of a run that begins anew; the demo's for one that is new."""
    try:
        own = run.config().preset if run.exists else DEFAULT_PRESET
    except ValueError:  # damaged, which it may begin anew for
        own = ""
    if own not in preset_names():
        raise ValueError(
            f'--fresh: the configuration of "{run.name}" names no preset; name one, or its file, with --preset'
        )
    return own


def _sets(setting: str, key: str) -> bool:
    return f"{key}.".startswith(f"{setting.partition('=')[0]}.")


def _is_file(preset: str) -> bool:
    return preset.endswith((".yaml", ".yml"))
