"""The configuration of a start: made for a new run, kept or changed for an existing one."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from spiral.configuration.changes import changes
from spiral.configuration.files import blame, load_config, preset_names, read_tree
from spiral.configuration.imports import imports_of
from spiral.configuration.paths import paths_of, relative_paths
from spiral.configuration.schema import RunConfig
from spiral.launcher.options import TrainOptions
from spiral.models import CONFIG, POLICY, check_weights, find_discriminator, read_card
from spiral.runs.dataset_record import same_files
from spiral.runs.directory import Run
from spiral.services.learner.schedule import rate_left
from spiral.values import strict_json

DEFAULT_PRESET = "demo"
HOLD_BATCHES = 300
"""Batches from which only a new discriminator learns, before its scores change a model that is trained further."""


@dataclass(frozen=True, slots=True)
class NextConfig:
    """The configuration with which a run continues."""

    config: RunConfig
    report: list[str]
    """Changes against the stored configuration, one sentence each."""
    remade: bool = False
    """Whether settings differ that the run's checkpoints depend on."""
    initial_weights: bool = False
    """Whether the run's initial weights change: those of a model, or none."""


def default_name(options: TrainOptions) -> str:
    """The run's default name: the model's, the preset's, or the file's without its ending."""
    if options.model is not None:
        return options.model.name
    preset = options.preset or DEFAULT_PRESET
    return Path(preset).stem if _is_file(preset) else preset


def new_config(options: TrainOptions, run: Run) -> RunConfig:
    """The configuration of a new run. If a model comes without its discriminator, a new one learns alone at first."""
    if options.model is None:
        return load_config(options.preset or _own_preset(run), options.settings)
    as_it_was = str(options.model / CONFIG)
    _refuse_imports(options)
    discriminator = load_config(as_it_was, options.settings, options.model).discriminator
    alone = discriminator.kind == "learned" and find_discriminator(options.model) is None
    held = f"learner.hold_batches={HOLD_BATCHES if alone else 0}"
    config = load_config(as_it_was, [held, *options.settings], options.model)
    _refuse_known_validation(config, load_config(as_it_was, base=options.model))
    return config


def _refuse_imports(options: TrainOptions) -> None:
    """Raise ValueError if the model learned with its maker's own parts and the user has not asked for them."""
    assert options.model is not None
    try:
        text = (options.model / CONFIG).read_text()
    except (OSError, UnicodeDecodeError):
        return  # reading the file reports it
    chosen = {setting.partition("=")[0] for setting in options.settings}
    named = imports_of(read_tree(text, CONFIG))
    missing = [f"--set {shlex.quote(_setting(key, value))}" for key, value in named.items() if key not in chosen]
    if missing:
        raise ValueError(
            f"--from: {options.model.name} learned with its maker's own code, which is imported only when asked for; "
            f"add {' '.join(missing)} if you trust it, or choose another model"
        )


def _setting(key: str, value: object) -> str:
    """A setting as a user types it; mappings and lists are YAML on one line."""
    return f"{key}={value if isinstance(value, str) else strict_json.exact(value)}"


def _refuse_known_validation(config: RunConfig, model: RunConfig) -> None:
    """Raise ValueError if the run would hold out pictures that the model has learned from."""
    if config.data == model.data and config.hold_out_validation and not model.hold_out_validation:
        raise ValueError(
            "--set hold_out_validation=true: the model has learned from the whole training set, so none of it can be "
            "held out any more; leave it out, or begin without --from"
        )


def begun_with(model: Path, config: RunConfig) -> str:
    """A sentence about where in its schedules a run from a model begins. ValueError if the model is damaged or the
    schedules leave a learning rate of 0."""
    if not (model / POLICY).is_file():
        raise ValueError(f"--from: {model} has no {POLICY}; name a folder that `spiral models export` made")
    for weights in filter(None, (model / POLICY, find_discriminator(model))):
        check_weights(weights)
    frames, learner = read_card(model).frames, config.learner
    left = rate_left(learner, frames, 0.0)
    if not left:
        raise ValueError(
            f"--from: after the {frames:,} frames of {model.name} the learning rate has fallen to 0, so nothing would "
            "be learned; set one, for example --set learner.learning_rate=0.0003 --set learner.learning_rate_floor=1"
        )
    rate = f"{learner.learning_rate * left:.2g} ({left:.2g} of learner.learning_rate)"
    return f"begins with {model.name} after its {frames:,} frames, at a learning rate of {rate}"


def next_config(run: Run, options: TrainOptions, free: bool) -> NextConfig:
    """The configuration to continue with; ``free``: nothing was learned yet, so everything may change.

    Raises ValueError if the checkpoints don't fit a change, or if the preset is not the run's.
    """
    if free and options.model is not None:
        return NextConfig(new_config(options, run), [], remade=True, initial_weights=True)
    stored = run.config()
    file = options.preset if options.preset and _is_file(options.preset) else None
    other = bool(options.preset and not file and options.preset != stored.preset)
    if other and not free:
        raise ValueError(
            f'run: "{run.name}" was made with preset "{stored.preset}", not "{options.preset}"; '
            "choose another name with --run, or begin again with --fresh"
        )
    begins_from = options.preset if file or other else None
    config = load_config(begins_from or str(run.config_file), options.settings)
    report, remade = _made_absolute(run, stored), False
    for change in changes(stored, config):
        fixed = change.fixed and not (change.key == "data" and same_files(run, config.data))
        if fixed and not free:
            own = [setting for setting in options.settings if _sets(setting, change.key)]
            raise ValueError(
                f"{blame(own, '') + ': ' if own else ''}{change.key}: {change.after!r} does not fit the run "
                f'"{run.name}", which has learned with {change.before!r}; choose another name with --run, or begin '
                "again with --fresh"
            )
        remade |= fixed
        report.append(f"{change.key} was {change.before!r} and is {change.after!r} from now on")
    return NextConfig(config, report, remade, initial_weights=other)


def _own_preset(run: Run) -> str:
    """The preset of a run that begins again with --fresh; ``demo`` for a new run."""
    try:
        own = run.config().preset if run.exists else DEFAULT_PRESET
    except ValueError:  # damaged; that may be why the user begins again
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


def _made_absolute(run: Run, stored: RunConfig) -> list[str]:
    """Make paths absolute that an earlier release stored as typed; one sentence each. ValueError if one is missing."""
    tree = read_tree(run.config_file.read_text(), str(run.config_file))
    report = []
    for key, path in relative_paths(tree).items():
        whole = paths_of(stored.model_dump())[key]
        if not Path(whole).exists():
            raise ValueError(
                f"{key}: {run.config_file} has the path {path!r}, relative to the directory where the run began, and "
                f"{whole} does not exist; resume the run once from that directory"
            )
        report.append(f"{key} was the relative path {path!r}; from now on it is {whole}")
    return report
