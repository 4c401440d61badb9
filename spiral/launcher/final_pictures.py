"""The ending of a run: pictures to open, and how well it paints."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from spiral import pictures
from spiral.engines.programs import render
from spiral.evaluation.quick_evaluation import DIGITS, evaluate_quickly
from spiral.models import bundled_models, find_model, read_card
from spiral.models.trained import Trained, targets_for
from spiral.models.with_torch import TorchTrained, load_model, load_trained
from spiral.runs.directory import Run
from spiral.values import strict_json, strokes

SHEET = 48
"""Pictures on each half of the contact sheet; six columns of eight fill a screen."""
COLUMNS = 6
BESIDE = "mnist"
"""The model that a demo is compared with."""
DRAWS = 10
"""Rows of the strip of snapshots."""
GIF_SIDE = 320
"""Approximate width, in pixels, of the painting that is shown stroke by stroke."""
GIF_FRAME_MS = 500
SEED = 20180000
"""Seed of the random draws at every ending, so that endings are comparable."""
MOMENTS = {"start": "start", "quarter-1": "¼", "quarter-2": "½", "quarter-3": "¾", "end": "end"}
"""Snapshots and their captions in the strip."""
UNMAKEABLE = (ValueError, OSError, RuntimeError, KeyError, MemoryError)
"""Errors of a damaged or foreign file, a missing engine, or a full disk or memory: named, without a traceback."""


@dataclass(slots=True)
class Ending:
    """The files and figures to show."""

    run: Run
    frames: int = 0
    files: dict[str, Path] = field(default_factory=dict)
    """File to open, by what it shows."""
    text: str = ""
    """How well the run paints."""
    figures: dict[str, Any] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    """What could not be made, and why; one sentence each."""


def make_ending(run: Run, say: Callable[[str], None], paintings: int) -> Ending:
    """Make all pictures and evaluate ``paintings`` paintings. What can't be made is named; the rest is still made.

    KeyboardInterrupt ends it with what is finished so far.
    """
    ending = Ending(run)
    try:
        _make(ending, say, paintings)
    except UNMAKEABLE as error:
        ending.missing.append(_why(error))
    except KeyboardInterrupt:
        ending.missing.append("the rest: it was cut short")
    return ending


def _make(ending: Ending, say: Callable[[str], None], paintings: int) -> None:
    run = ending.run
    trained = load_trained(run)
    ending.frames = trained.frames
    folder = run.path / "pictures"
    steps: dict[str, Callable[[], Path | None]] = {
        "painted next to real": lambda: _sheet(trained, folder),
        "one painting, stroke by stroke": lambda: _stroke_by_stroke(trained, folder),
        "learning curve": lambda: _curve(run, folder),
        "the same draws over time": lambda: _strip(trained, run, folder),
    }
    if trained.config.preset == "demo" and BESIDE in bundled_models():
        steps[f"this run beside the model {BESIDE}"] = lambda: _beside_shipped(trained, folder)
    for what, make in steps.items():
        _attempt(ending, what, make)
    if paintings and (trained.config.conditional or trained.config.data in DIGITS):
        say(f"painting {paintings:,} pictures to evaluate the run (Ctrl-C skips this)")
        _attempt(ending, "evaluation", lambda: _evaluate(ending, trained, paintings))


def show_ending(ending: Ending, stream: TextIO) -> None:
    """Show which files to open: a panel on a terminal, a JSON object elsewhere."""
    if not stream.isatty():
        content = {
            "run": str(ending.run.path),
            "frames": ending.frames,
            "files": {what: str(path) for what, path in ending.files.items()},
            "evaluation": ending.figures,
            "missing": ending.missing,
        }
        print(strict_json.report({"ending": content}), file=stream, flush=True)
        return
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for what, path in {**ending.files, "everything": ending.run.path}.items():
        table.add_row(what, Text(str(path), f"bold link file://{path.resolve()}"))
    for line in ending.text.splitlines():
        table.add_row("", line)
    for sentence in ending.missing:
        table.add_row("", Text(sentence, "yellow"))
    table.add_row("go on", f"spiral train --run {ending.run.name}")
    Console(file=stream).print(
        Panel(table, title=f"{ending.frames:,} frames learned", border_style="green", padding=(1, 2))
    )


def _attempt(ending: Ending, what: str, make: Callable[[], Path | None]) -> None:
    try:
        path = make()
    except UNMAKEABLE as error:
        ending.missing.append(f"{what}: {_why(error)}")
        return
    if path is not None:
        ending.files[what] = path


def _why(error: BaseException) -> str:
    """The error's sentence; preceded by its type if the message is a single word or empty."""
    return f"{type(error).__name__}: {error}" if isinstance(error, KeyError | MemoryError) else str(error)


def _sheet(trained: Trained, folder: Path) -> Path:
    """Paintings next to real pictures, or to their targets."""
    split = trained.config.tuning_split
    targets = targets_for(trained, SHEET, SEED, split)
    painted, _ = trained.paint(SHEET, SEED, targets)
    caption, real = "targets", targets
    if real is None:
        held_out, _ = trained.data(split).split(split)
        rows = np.random.default_rng(SEED).choice(len(held_out), SHEET, replace=len(held_out) < SHEET)
        caption, real = "real", held_out[rows]
    enlarged = real.repeat(painted.shape[1] // real.shape[1], axis=1).repeat(painted.shape[2] // real.shape[2], axis=2)
    path = folder / "painted-and-real.png"
    pictures.save_png(pictures.side_by_side({"painted": painted, caption: enlarged}, COLUMNS), path)
    return path


def _beside_shipped(trained: Trained, folder: Path) -> Path:
    """The run's paintings next to those of the bundled model, which show where longer training leads."""
    model = find_model(BESIDE)
    canvases, _ = load_model(model).paint(SHEET, SEED)
    captions = {"this run": trained.paint(SHEET, SEED)[0], f"{read_card(model).frames / 1e6:.1f} M frames": canvases}
    path = folder / "beside-the-model.png"
    pictures.save_png(pictures.side_by_side(captions, COLUMNS), path)
    return path


def _stroke_by_stroke(trained: Trained, folder: Path) -> Path:
    """The painting with the most strokes, replayed at a larger scale."""
    _, actions = trained.paint(SHEET, SEED, targets_for(trained, SHEET, SEED, trained.config.tuning_split))
    busiest = strokes.painted(actions.swapaxes(0, 1), trained.engine.spec).sum(0).argmax()
    program = trained.program(actions[int(busiest)])
    frames = render(program, scale=max(1, GIF_SIDE // trained.engine.canvas_shape[1]), every=1)
    path = folder / "stroke-by-stroke.gif"
    pictures.save_painting_gif(path, [frames], ms_per_frame=GIF_FRAME_MS, scale=1)
    program.save(folder / "stroke-by-stroke.json")
    return path


def _curve(run: Run, folder: Path) -> Path:
    records = [
        {**record, "minutes": record.get("seconds", 0.0) / 60, "frames_per_s": record.get("fps")}
        for record in run.history()
    ]
    path = folder / "learning-curve.png"
    # The next line imports matplotlib, which reads this. Otherwise its font list would go to the home directory.
    os.environ.setdefault("MPLCONFIGDIR", str(run.path / "matplotlib"))
    pictures.save_learning_curve(path, records, f"run {run.name}")
    return path


def _strip(trained: TorchTrained, run: Run, folder: Path) -> Path | None:
    """A strip of what each snapshot paints from the same random draws."""
    targets = targets_for(trained, DRAWS, SEED, trained.config.tuning_split)
    columns = {
        caption: trained.with_snapshot(path).paint(DRAWS, SEED, targets)[0]
        for name, caption in MOMENTS.items()
        if (path := run.snapshots / f"{name}.safetensors").is_file()
    }
    if not columns:
        raise ValueError("no snapshot was written yet")
    path = folder / "same-draws-over-time.png"
    pictures.save_png(pictures.strip(columns), path)
    return path


def _evaluate(ending: Ending, trained: Trained, paintings: int) -> None:
    evaluation = evaluate_quickly(trained, paintings, SEED)
    ending.text, ending.figures = evaluation.text, evaluation.figures
    text = strict_json.report(evaluation.figures, indent=1) + "\n"
    (ending.run.path / "evaluation.json").write_text(text)
