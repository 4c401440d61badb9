"""``spiral models list | info | export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spiral.cli import options

app = typer.Typer(help="List the models that ship, describe one, or export a run as one.", no_args_is_help=True)


@app.command("list")
def list_models() -> None:
    """List the models that ship with the package."""
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    from spiral.models import bundled_models, read_card  # noqa: PLC0415

    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("name", "frames", "hours", "what it is"):
        table.add_column(heading, overflow="fold")
    for name, folder in bundled_models().items():
        card = read_card(folder)
        table.add_row(name, f"{card.frames:,}", f"{card.hours:.2f}", card.summary)
    Console().print(table)
    typer.echo("paint with one: spiral paint --model NAME --out pictures")


@app.command("info")
def info(name: Annotated[str, typer.Argument(help="A model that ships, or a folder that holds one.")]) -> None:
    """Describe a model: what it is, what was measured, and what not to expect."""
    from spiral.models import SAMPLES, find_model, read_card  # noqa: PLC0415

    folder = find_model(name)
    card = read_card(folder)
    for field, value in card.model_dump().items():
        text = ", ".join(f"{key} {score:g}" for key, score in value.items()) if isinstance(value, dict) else value
        if field == "data_sets":
            text = "; ".join(f"{one.name}, {one.pictures:,} pictures, sha256 {one.sha256}" for one in card.data_sets)
        typer.echo(f"{field}: {text}")
    typer.echo(f"samples: {folder / SAMPLES}")


@app.command("export")
def export(
    run: options.RunName,
    out: Annotated[Path, typer.Option(help="Folder for the model; it must not exist yet.", metavar="DIR")],
    summary: Annotated[str, typer.Option(help="What the model is, in a sentence.")],
    data: Annotated[str, typer.Option(help="What it learned from, and the license of that data.")],
    method: Annotated[str, typer.Option(help="The method, and how it differs from the paper's.")] = "the preset's",
    limits: Annotated[str, typer.Option(help="What not to expect of it.")] = "not examined",
    discriminator: Annotated[
        Path | None,
        typer.Option(help="Folder for its discriminator, for further training (default: leave it out).", metavar="DIR"),
    ] = None,
    runs: options.Runs = options.RUNS,
) -> None:
    """Export a run's newest checkpoint as a model, with the figures of its last `spiral eval`."""
    from spiral.runs.directory import find_run  # noqa: PLC0415

    found = find_run(runs, run)
    from spiral.models import exporting  # noqa: PLC0415

    texts = {"summary": summary, "method": method, "data": data, "limits": limits}
    card = exporting.export(found, out, **texts, discriminator=discriminator)
    typer.echo(f"{out}: {card.frames:,} learned frames, {len(card.scores)} scores")
