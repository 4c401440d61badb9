"""``spiral render``: replay programs at any resolution, in any format."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Annotated

import typer

from spiral.cli import options
from spiral.outputs import refuse_to_overwrite, remember


def render(
    programs: Annotated[
        list[Path],
        typer.Argument(
            help="A program: a JSON file that spiral paint or a run wrote. Several: a sheet or an animation.",
            metavar="PROGRAM…",
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            help="By its ending: .png (the last picture), .gif or .mp4 (all), .npz (images, uint8 [N, H, W, C]), .svg "
            "(strokes, in millimeters), or a format of the engine's own."
        ),
    ],
    scale: Annotated[
        int | None,
        typer.Option(
            min=1, help="Enlargement of the canvas, up to what the engine can paint (default: 1).", show_default=False
        ),
    ] = None,
    every: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Take the picture after every k-th action; .png: a file for each (default: animations and sheets 1, "
            "else the last only).",
            show_default=False,
        ),
    ] = None,
    ms: Annotated[
        int | None,
        typer.Option(
            min=20,
            max=60_000,
            help="Time of each picture in an animation, milliseconds (default: 200).",
            show_default=False,
        ),
    ] = None,
    sheet: Annotated[bool, typer.Option("--sheet", help="A .png with all pictures, or those of all programs.")] = False,
    transparent: Annotated[bool, typer.Option("--transparent", help="No paper under the strokes: .png, .npz.")] = False,
    width_mm: Annotated[
        float | None,
        typer.Option(min=0.001, max=10_000, help="Width of an .svg (default: 100).", show_default=False),
    ] = None,
    optimise: Annotated[
        bool,
        typer.Option("--optimise", help="Order the strokes of an .svg such that a plotter's lifted pen moves less."),
    ] = False,
    first: Annotated[
        int | None,
        typer.Option(min=1, help="Only the first K strokes (default: all).", metavar="K", show_default=False),
    ] = None,
    brush: Annotated[
        str | None,
        typer.Option(help="Another brush: its name, or a .myb file.", metavar="BRUSH", show_default=False),
    ] = None,
    strict: Annotated[
        bool,
        typer.Option("--strict", help="Refuse a program that was made with another brush file or libmypaint."),
    ] = False,
    overwrite: options.Overwrite = False,
) -> None:
    """Replay programs at any resolution; where strokes do not look the same in the file, it says so."""
    for program in programs:
        if not program.is_file():
            raise ValueError(f"program: there is no file {program}")

    from spiral.engines.export_plans import Options  # noqa: PLC0415
    from spiral.engines.exporting import plan_export  # noqa: PLC0415
    from spiral.engines.programs import Program  # noqa: PLC0415

    with warnings.catch_warnings(record=True) as noticed:
        warnings.simplefilter("always", UserWarning)
        wanted = Options(scale, every, ms, sheet, transparent, width_mm, optimise)
        loaded = [Program.load(program) for program in programs]
        if brush is not None:
            loaded = [program.with_settings(brush=brush) for program in loaded]
        if first is not None:
            loaded = [program.first(first) for program in loaded]
        plan = plan_export(loaded, out, wanted, strict=strict)
        refuse_to_overwrite(plan.files, overwrite)
        try:
            out.parent.mkdir(parents=True, exist_ok=True)
            written = plan.write()
            remember(plan.files)
        except OSError as error:
            raise ValueError(f"out: {out} can't be written: {error.strerror or error}") from error
    for notice in dict.fromkeys(str(notice.message) for notice in noticed):
        typer.echo(f"spiral: {notice}", err=True)
    typer.echo(written)
