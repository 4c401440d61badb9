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
        help="Name of the run: a folder in --runs. May be repeated, for runs that differ only in their seed; then the "
        "mean over them is printed, too.",
        metavar="NAME",
        show_default=False,
    ),
]
Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        help="A model instead of a run: one that ships (`spiral models list`), or a folder that holds one.",
        metavar="NAME",
        show_default=False,
    ),
]
Seed = Annotated[int, typer.Option("--seed", min=0, max=LARGEST_SEED, help="Seed of the random draws.")]
Device = Annotated[
    Literal["auto", "cpu", "cuda"],
    typer.Option("--device", help="Where to compute; auto: cuda if there is one."),
]
Temperature = Annotated[
    float,
    typer.Option(
        "--temperature",
        min=0,
        max=10,
        help="Temperature of the draws: 1 as in training, higher for variety, lower for surer strokes. 0 always takes "
        "the likeliest action; without a target every picture is then the same.",
    ),
]
Overwrite = Annotated[
    bool,
    typer.Option("--overwrite", help="Also overwrite files that this program did not write, or that changed since."),
]


def load_painter(run: str | None, model: str | None, runs: Path, temperature: float = 1.0) -> Trained:
    """The run or model that the options name, ready to paint; ValueError unless exactly one is given."""
    if (run is None) == (model is None):
        raise ValueError("--run, --model: exactly one of them says who paints; `spiral models list` shows the models")
    from spiral.models import find_model  # noqa: PLC0415
    from spiral.runs.directory import find_run  # noqa: PLC0415

    found = find_model(model) if model is not None else find_run(runs, run or "")
    from spiral.models.trained import load_model, load_trained  # noqa: PLC0415

    trained = load_model(found) if isinstance(found, Path) else load_trained(found)
    return replace(trained, temperature=temperature)
