"""Options that several commands share."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from spiral.models.trained import Trained

RUNS = Path("runs")
LARGEST_SEED = 2**63 - 1

Runs = Annotated[Path, typer.Option("--runs", help="Folder that holds the runs.", metavar="DIR")]
RunName = Annotated[str, typer.Option("--run", help="Name of the run: a folder in --runs.", metavar="NAME")]
PainterRun = Annotated[
    str | None, typer.Option("--run", help="Name of the run: a folder in --runs.", metavar="NAME", show_default=False)
]
PainterRuns = Annotated[
    list[str] | None,
    typer.Option(
        "--run",
        help="Name of the run: a folder in --runs. May be repeated, for runs that differ in their seed: then the mean "
        "over them is told, too.",
        metavar="NAME",
        show_default=False,
    ),
]
Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        help="Instead of a run: a model that ships (`spiral models list`), or a folder that holds one.",
        metavar="NAME",
        show_default=False,
    ),
]
Seed = Annotated[int, typer.Option("--seed", min=0, max=LARGEST_SEED, help="Seed of the random draws.")]
Device = Annotated[
    Literal["auto", "cpu", "cuda"],
    typer.Option("--device", help="Where to compute; auto: cuda where there is one."),
]
Temperature = Annotated[
    float,
    typer.Option(
        "--temperature",
        min=0,
        max=10,
        help="Of the draws: 1 as it learnt, more for variety, less for surer strokes; 0 takes the likeliest action "
        "each time, which from nothing is one and the same picture.",
    ),
]
Overwrite = Annotated[
    bool,
    typer.Option("--overwrite", help="Overwrite files that this program did not write, or that were changed since."),
]


def load_painter(run: str | None, model: str | None, runs: Path, temperature: float = 1.0) -> Trained:
    """What ``--run`` or ``--model`` names, ready to paint; ValueError unless it is exactly one of them."""
    if (run is None) == (model is None):
        raise ValueError("--run, --model: exactly one of them says who paints; `spiral models list` shows the models")
    from spiral.models import find_model  # noqa: PLC0415
    from spiral.runs.directory import find_run  # noqa: PLC0415

    found = find_model(model) if model is not None else find_run(runs, run or "")
    from spiral.models.trained import load_model, load_trained  # noqa: PLC0415

    trained = load_model(found) if isinstance(found, Path) else load_trained(found)
    return replace(trained, temperature=temperature)
