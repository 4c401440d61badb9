"""``spiral render``: replay a program at any resolution."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Annotated

import typer

from spiral.cli import options
from spiral.outputs import refuse_to_overwrite, remember
from spiral.values.atomic_file import atomic_write

ENDINGS = (".png", ".gif", ".npz")
WRITER_BYTES = 16
"""Memory for each pixel of a picture that is being written."""


def render(
    program: Annotated[Path, typer.Argument(help="A program: a JSON file that spiral paint or a run wrote.")],
    out: Annotated[
        Path,
        typer.Option(
            help="A .png (the last picture), a .gif (all pictures), or a .npz (array images, uint8 [N, H, W, C])."
        ),
    ],
    scale: Annotated[int, typer.Option(min=1, help="How much larger than the canvas, up to the engine's limit.")] = 1,
    every: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Take a picture after every k-th action (default: 1 for a .gif, otherwise only the last picture).",
            show_default=False,
        ),
    ] = None,
    ms: Annotated[int, typer.Option(min=20, max=60_000, help="Milliseconds that a .gif shows each picture.")] = 200,
    overwrite: options.Overwrite = False,
) -> None:
    """Replay a program at any resolution; a message says if the strokes look different at that scale."""
    if out.suffix not in ENDINGS:
        raise ValueError(f'out: the ending of "{out}" is unknown; expected one of {", ".join(ENDINGS)}')
    if not program.is_file():
        raise ValueError(f"program: there is no file {program}")
    refuse_to_overwrite([out], overwrite)

    import numpy as np  # noqa: PLC0415

    from spiral import pictures  # noqa: PLC0415
    from spiral.computing.machine import require_memory  # noqa: PLC0415
    from spiral.engines.programs import Program, shape_of  # noqa: PLC0415
    from spiral.engines.programs import render as replay  # noqa: PLC0415

    with warnings.catch_warnings(record=True) as noticed:
        warnings.simplefilter("always", UserWarning)
        loaded, every = Program.load(program), every or (1 if out.suffix == ".gif" else None)
        count, height, width, channels = shape_of(loaded, scale, every)
        what = f"{count} {'picture' if count == 1 else 'pictures'} of {width}×{height}"
        if out.suffix == ".gif" and (pixels := count * height * width) > pictures.MAX_GIF_PIXELS:
            raise ValueError(
                f"scale: {scale} makes {what}, {pixels:,} pixels in all, but a GIF gets at most "
                f"{pictures.MAX_GIF_PIXELS:,}; expected a smaller scale or a larger every"
            )
        require_memory(count * height * width * channels + WRITER_BYTES * height * width, f"scale: {scale}: {what}")
        images = replay(loaded, scale, every)
    for notice in noticed:
        typer.echo(f"spiral: {notice.message}", err=True)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        if out.suffix == ".png":
            pictures.save_png(pictures.picture(images[-1]), out)
        elif out.suffix == ".gif":
            pictures.save_painting_gif(out, [images], ms_per_frame=ms, scale=1)
        else:
            with atomic_write(out) as aside, aside.open("wb") as file:
                np.savez_compressed(file, images=images)
        remember([out])
    except OSError as error:
        raise ValueError(f"out: {out} can't be written: {error.strerror or error}") from error
    on_white = ", on white: a GIF has no alpha" if out.suffix == ".gif" and channels == 4 else ""
    typer.echo(f"{out}: {what}{on_white}")
