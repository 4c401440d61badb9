"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

RUNS = Path("runs")
LARGEST_SEED = 2**63 - 1

Runs = Annotated[Path, typer.Option("--runs", help="Folder that holds the runs.", metavar="DIR")]
RunName = Annotated[str, typer.Option("--run", help="Name of the run: a folder in --runs.", metavar="NAME")]
Seed = Annotated[int, typer.Option("--seed", min=0, max=LARGEST_SEED, help="Seed of the random draws.")]
