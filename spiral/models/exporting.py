"""Exports a run as a model."""

from __future__ import annotations

import json
import os
import platform
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

import torch
import yaml
from torch import Tensor

from spiral import pictures
from spiral.computing.finite import require_finite
from spiral.configuration.paths import files_of, unlocated
from spiral.configuration.schema import RunConfig
from spiral.models import CARD, CONFIG, DISCRIMINATOR, POLICY, SAMPLES, Card, DataSet, read_card_file
from spiral.models.trained import targets_for
from spiral.models.with_torch import TorchTrained, load_trained
from spiral.policy.weights import dump_weights, parse_weights
from spiral.runs import dataset_record
from spiral.runs.checkpoint_reading import CheckpointError
from spiral.runs.checkpoints import read_latest
from spiral.runs.directory import Run

SHOWN = 64
"""Pictures on the sheet of samples."""
MOST_BYTES = 8_000_000
"""Largest policy that is exported in float32; a larger one is stored in float16, because models are in a repository."""


def export(
    run: Run, out: Path, *, summary: str, method: str, data: str, limits: str, discriminator: Path | None = None
) -> Card:
    """Write the model of a run's newest checkpoint to the folder ``out``, which appears as a whole.

    The scores are the figures of ``spiral eval`` for this checkpoint; frames, hours and machines include those of the
    model that the run began with. Of paths of the data and of its owner's files, such as a brush, the model only has
    the names; it includes the files themselves. The run's discriminator goes to the folder ``discriminator``, if given.
    Raises ValueError if the run has no checkpoint or lacks something that was asked for, if ``out`` exists, or if
    another discriminator would be overwritten.
    """
    if out.exists():
        raise ValueError(f"out: {out} exists; name a new folder")
    if discriminator is not None and (discriminator / DISCRIMINATOR).exists():
        raise ValueError(f"discriminator: {discriminator / DISCRIMINATOR} exists; name a new folder")
    trained = load_trained(run)
    learnt = _discriminator(run) if discriminator else b""
    before = read_card_file(run.initial_card_file) if run.initial_card_file.exists() else None
    history = run.history()
    hours = history[-1]["seconds"] / 3600 if history else 0.0
    card = Card(
        summary=summary,
        method=method,
        data=data,
        data_sets=_data_sets(before, run),
        preset=trained.config.preset or "none",
        frames=trained.frames + (before.frames if before else trained.frames_before),
        hours=round(hours + (before.hours if before else 0.0), 2),
        machine=_machines(before, run),
        scores=_scores(run, trained.frames),
        limits=limits,
    )
    targets = targets_for(trained, SHOWN, seed=0)
    canvases, _ = trained.paint(SHOWN, 0, targets)
    if targets is None:
        sheet = pictures.contact_sheet(canvases)
    else:
        sheet = pictures.side_by_side({"target": targets, "painted": trained.view(canvases)})
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}.", suffix=".part", dir=out.parent) as private:
        aside = Path(private, out.name)
        aside.mkdir()
        (aside / POLICY).write_bytes(_weights(trained))
        settings = trained.config.model_dump(mode="json", by_alias=True)
        (aside / CONFIG).write_text(RunConfig.model_validate(unlocated(settings)).to_yaml())
        for file in files_of(settings).values():
            shutil.copyfile(file, aside / Path(file).name)
        (aside / CARD).write_text(yaml.safe_dump(card.model_dump(), sort_keys=False, allow_unicode=True, width=110))
        pictures.save_png(sheet, aside / SAMPLES)
        os.replace(aside, out)
    if discriminator:
        discriminator.mkdir(parents=True, exist_ok=True)
        (discriminator / DISCRIMINATOR).write_bytes(learnt)
    return card


def _data_sets(before: Card | None, run: Run) -> tuple[DataSet, ...]:
    """What the model that the run began with had learned from, then what the run has; empty where nothing is known."""
    known = dataset_record.read(run)
    own: tuple[dataset_record.PictureSet, ...] = () if known is None else (*known.before, known)
    sets = list(before.data_sets if before else ())
    for one in own:
        name = unlocated({"data": one.data})["data"]
        sets.append(DataSet(name=name, pictures=one.pictures, validation=one.validation, sha256=one.sha256))
    return tuple(sets)


def _weights(trained: TorchTrained) -> bytes:
    whole = dump_weights(trained.policy.state_dict())
    return whole if len(whole) <= MOST_BYTES else _half(trained.policy.state_dict(), "policy")


def _half(state: Mapping[str, Tensor], what: str) -> bytes:
    """Weights in float16; ValueError if one is out of its range."""
    half = dump_weights(state, torch.float16)
    require_finite(parse_weights(half), f"{what} in float16")
    return half


def _discriminator(run: Run) -> bytes:
    """Weights of the run's discriminator as a safetensors file, float16 to keep the repository small."""
    try:
        found = read_latest(run.checkpoints("discriminator"))
    except CheckpointError as error:
        raise ValueError(str(error)) from error
    if found is None or "network" not in found.state.tensors:
        raise ValueError(f'discriminator: the run "{run.name}" has none that learns; leave --discriminator out')
    return _half(found.state.tensors["network"], "discriminator")


def _scores(run: Run, frames: int) -> dict[str, float]:
    """The figures of the run's last evaluation, without their intervals; empty if that was after another number of
    frames, on another split than the test pictures, or at another temperature than 1."""
    try:
        found = json.loads((run.path / "evaluation" / "evaluation.json").read_text())
        if found["frames"] != frames or found.get("temperature", 1) != 1 or found.get("split", "test") != "test":
            return {}
        return {name: round(figure["value"], 4) for name, figure in found["figures"].items()}
    except (OSError, json.JSONDecodeError, KeyError, TypeError):
        return {}


def _machines(before: Card | None, run: Run) -> str:
    """The machine of the model that the run began with, and the machine of the run; once if they are the same."""
    here = _machine(run)
    if before is None:
        return here
    return before.machine if before.machine.split(", then ")[-1] == here else f"{before.machine}, then {here}"


def _machine(run: Run) -> str:
    """The machine as recorded when the run began; unknown if no launcher trained the run."""
    try:
        cores = json.loads(run.machine_file.read_text())["cores"]
    except (OSError, json.JSONDecodeError, KeyError):
        return "unknown"
    try:
        gpu = json.loads(run.precision_file("learner").read_text())["device"] != "cpu"
    except (OSError, json.JSONDecodeError, KeyError):
        gpu = False
    return f"{cores} core{'' if cores == 1 else 's'} ({platform.machine()}), {'a' if gpu else 'no'} GPU"
