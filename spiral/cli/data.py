"""``spiral data list | get | check``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="List, get and check data sets.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Name of the data set; `spiral data list` shows those of the package.")]
AnyName = Annotated[
    str, typer.Argument(help="A data set of `spiral data list`, folder:PATH, or module:NAME for one of your own.")
]


@app.command("list")
def list_sets() -> None:
    """List the data sets, and whether they are on this machine."""
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    from spiral.datasets import catalogue, data_root  # noqa: PLC0415

    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("name", "here", "license", "source"):
        table.add_column(heading, overflow="fold")
    for entry in catalogue():
        here = "yes" if entry.present else f"no: {entry.how_to_get}"
        table.add_row(*map(Text, (entry.name, here, entry.licence, entry.source)))  # as they are: [faces] is no style
    Console().print(table)
    typer.echo(
        f"data folder: {data_root()} (set SPIRAL_DATA for another); folder:PATH is any folder of PNG or JPEG files"
    )


@app.command("get")
def get(
    name: Name,
    from_dir: Annotated[
        Path | None,
        typer.Option(
            "--from", help="Take the files from this folder (default: their official addresses).", show_default=False
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(min=0, help="For a set that is generated: its seed (default: 0).", show_default=False),
    ] = None,
) -> None:
    """Put a data set into the data folder; files that are there and correct are left alone."""
    from rich.console import Console  # noqa: PLC0415

    from spiral.datasets import get as fetch  # noqa: PLC0415

    console = Console(stderr=True)
    with console.status(f"{name} …") as shown:

        def progress(file: str, done_bytes: int, total_bytes: int | None) -> None:
            of_all = f" of {total_bytes / 2**20:.1f}" if total_bytes else ""
            shown.update(f"{file}: {done_bytes / 2**20:.1f}{of_all} MiB")

        folder = fetch(name, from_dir, progress=progress, seed=seed)
    typer.echo(f"{name} is in {folder}")


@app.command("check")
def check(name: AnyName) -> None:
    """Read the whole data set and verify its content."""
    from spiral.datasets import check as verify  # noqa: PLC0415

    data = verify(name)
    typer.echo(f"{name}: {data.sizes}, sha256 {data.checksum[:16]}…")
    for note in data.notes:
        typer.echo(note)
