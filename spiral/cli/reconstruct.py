"""``spiral reconstruct``: paint after your own pictures with a trained run or model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spiral.cli import options
from spiral.outputs import refuse_to_overwrite, remember
from spiral.values.atomic_file import atomic_write

MOST_ATTEMPTS = 4096
MOST_CHANGES = 100_000


def reconstruct(
    images: Annotated[list[Path], typer.Argument(help="Picture files of any size; drawings should be dark on white.")],
    run: options.PainterRun = None,
    model: options.Model = None,
    out: Annotated[Path, typer.Option(help="Folder for programs and pictures.")] = Path("reconstructions"),
    attempts: Annotated[
        int, typer.Option(min=1, max=MOST_ATTEMPTS, help="Paintings of each picture; the best one is kept.")
    ] = 16,
    refine: Annotated[
        int,
        typer.Option(
            min=0,
            max=MOST_CHANGES,
            help="Changes to try on the best painting, eight at a time; those that bring it nearer are kept. This is a "
            "search and not learned. 1,000 changes take about half a second.",
        ),
    ] = 0,
    seed: options.Seed = 0,
    device: options.PaintingDevice = "auto",
    overwrite: options.Overwrite = False,
    runs: options.Runs = options.RUNS,
) -> None:
    """Paint after pictures with a run or model that learned with targets, and say how near it came.

    For each picture NAME.png it writes NAME.json (the program), NAME.png (the canvas) and NAME-and-target.png (the
    target beside the painting, and with --refine the refined painting, too).
    """
    names = [image.stem for image in images]
    written = [out / f"{name}{ending}" for name in names for ending in (".png", "-and-target.png", ".json")]
    twice = sorted({path.stem for path in written if written.count(path) > 1})
    if twice:
        raise ValueError(f"images: {', '.join(twice)}: several pictures would be written to one file; rename them")
    lost = sorted({path.resolve() for path in written} & {image.resolve() for image in images})
    if lost:
        raise ValueError(f"out: {lost[0]} is one of the pictures and would be overwritten; name another folder")
    if out.exists() and not out.is_dir():
        raise ValueError(f"out: {out} is a file; name a folder")
    refuse_to_overwrite(written, overwrite)
    options.compute_with_one_thread()
    found = options.find_painter(run, model, runs)

    from spiral.models.loading import load_painter  # noqa: PLC0415

    trained = load_painter(found, device)
    if not trained.config.conditional:
        raise ValueError(
            "run, model: it learned to paint from nothing and takes no target; a model that takes one ships with the "
            "package: --model mnist-reconstruct"
        )

    from spiral import pictures  # noqa: PLC0415
    from spiral.reconstruction import attempts as reconstruction  # noqa: PLC0415

    # All pictures are read before the first is painted: a bad one costs no time and leaves nothing behind.
    targets = [reconstruction.read_target(image, trained) for image in images]
    for name, target in zip(names, targets, strict=True):
        best = reconstruction.reconstruct(trained, target.picture, attempts, seed, refine)
        enlarged = target.picture.repeat(best.canvas.shape[0] // target.picture.shape[0], 0)
        enlarged = enlarged.repeat(best.canvas.shape[1] // target.picture.shape[1], 1)
        try:
            out.mkdir(parents=True, exist_ok=True)
            with atomic_write(out / f"{name}.json") as aside:
                best.program.save(aside)
            pictures.save_png(pictures.contact_sheet(best.canvas[None], scale=1, margin=0), out / f"{name}.png")
            beside = {"target": enlarged[None], "painted": best.painted[None]}
            if refine:
                beside["refined"] = best.canvas[None]
            pictures.save_png(pictures.side_by_side(beside, scale=4), out / f"{name}-and-target.png")
            remember(path for path in written if path.stem.removesuffix("-and-target") == name)
        except OSError as error:
            raise ValueError(f"out: {out} can't be written: {error.strerror or error}") from error
        likeness = "" if best.ssim is None else f", ssim {best.ssim:.3f}"
        searched = f" at {best.painted_mse:.4f}, then {best.changes:,} changes" if refine else ""
        near = f"mse {best.mse:.4f}{likeness}, best of {attempts}{searched}"
        typer.echo(f"{name}: {target.change}; {near}: {out}/{name}.png")
