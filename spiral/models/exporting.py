"""Makes a model of a run."""

from __future__ import annotations

import json
import os
import platform
import shutil
from pathlib import Path

import yaml

from spiral import pictures
from spiral.models import CARD, CONFIG, POLICY, SAMPLES, Card
from spiral.policy.weights import dump_weights
from spiral.runs import Run
from spiral.trained import load_trained, targets_for

SHOWN = 64
"""Pictures on the sheet of samples."""


def export(run: Run, out: Path, *, summary: str, method: str, data: str, limits: str) -> Card:
    """Write the model of a run's newest checkpoint to the folder ``out``, which appears as a whole.

    Scores are those that the last ``spiral eval`` of the run found. Raises ValueError where the run has no checkpoint
    or ``out`` exists.
    """
    if out.exists():
        raise ValueError(f"out: {out} exists; name a new folder")
    trained = load_trained(run)
    history = run.history()
    card = Card(
        summary=summary,
        method=method,
        data=data,
        preset=trained.config.preset or "none",
        frames=trained.frames,
        hours=round(history[-1]["seconds"] / 3600, 2) if history else 0.0,
        machine=_machine(run),
        scores=_scores(run),
        limits=limits,
    )
    targets = targets_for(trained, SHOWN, seed=0)
    canvases, _ = trained.paint(SHOWN, 0, targets)
    if targets is None:
        sheet = pictures.contact_sheet(canvases)
    else:
        sheet = pictures.side_by_side({"target": targets, "painted": trained.view(canvases)})
    out.parent.mkdir(parents=True, exist_ok=True)
    aside = out.with_name(f".{out.name}.part")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir()
    (aside / POLICY).write_bytes(dump_weights(trained.policy.state_dict()))
    (aside / CONFIG).write_text(trained.config.to_yaml())
    (aside / CARD).write_text(yaml.safe_dump(card.model_dump(), sort_keys=False, allow_unicode=True, width=110))
    pictures.save_png(sheet, aside / SAMPLES)
    os.replace(aside, out)
    return card


def _scores(run: Run) -> dict[str, float]:
    """The figures of the run's last evaluation, without their intervals; none where there was no evaluation."""
    try:
        found = json.loads((run.path / "evaluation" / "evaluation.json").read_text())
        return {name: round(figure["value"], 4) for name, figure in found["figures"].items()}
    except (OSError, json.JSONDecodeError, KeyError, TypeError):
        return {}


def _machine(run: Run) -> str:
    try:
        cores = json.loads(run.machine_file.read_text())["cores"]
    except (OSError, json.JSONDecodeError, KeyError):
        cores = os.cpu_count()
    return f"{cores} cores ({platform.machine()}), no GPU"
