"""Options that several commands share."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from spiral.runs.directory import Run

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
PaintingDevice = Annotated[
    Literal["auto", "cpu", "cuda"],
    typer.Option(
        "--device",
        help="Where to compute. auto: the network of the bundled models runs in NumPy on the CPU; other networks run "
        "on cuda if there is one.",
    ),
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


def compute_with_one_thread() -> None:
    """Have NumPy do so; to be called before it is imported.

    The matrices are small: a second thread gains nothing, and beside busy processes the two wait for each other many
    times as long.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def find_painter(run: str | None, model: str | None, runs: Path) -> Run | Path:
    """The run or model that the options name; ValueError unless exactly one is given."""
    if (run is None) == (model is None):
        raise ValueError("--run, --model: exactly one of them says who paints; `spiral models list` shows the models")
    from spiral.models import find_model  # noqa: PLC0415
    from spiral.runs.directory import find_run  # noqa: PLC0415

    return find_model(model) if model is not None else find_run(runs, run or "")
