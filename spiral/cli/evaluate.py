"""``spiral eval``: how well a run paints."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from spiral.cli import options

FEWEST = 65
"""The covariance of 64 features needs more than 64 pictures."""


def evaluate(
    run: options.RunName,
    num: Annotated[
        int, typer.Option(min=FEWEST, max=100_000, help="Paintings to judge; 4,096 make figures that compare.")
    ] = 4096,
    seed: options.Seed = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of sentences.")] = False,
    runs: options.Runs = options.RUNS,
) -> None:
    """Judge a run's paintings: LeNet-FID against real digits, or the error against targets of a conditional run.

    LeNet-FID: lower is better; real digits against real digits get about 2.
    """
    from spiral.runs import find_run  # noqa: PLC0415

    found = find_run(runs, run)

    from spiral.judgement import judge  # noqa: PLC0415
    from spiral.trained import load_trained  # noqa: PLC0415

    judgement = judge(load_trained(found), num, seed)
    typer.echo(json.dumps(judgement.figures) if as_json else judgement.text)
