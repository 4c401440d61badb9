"""``spiral reconstruct``: paint after your own pictures with a trained run or model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from spiral.cli import options
from spiral.cli.picture_files import PictureFile, picture_files
from spiral.cli.progress import Progress
from spiral.outputs import refuse_to_overwrite, remember
from spiral.values.atomic_file import atomic_write

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from spiral.engines.programs import Program
    from spiral.models.trained import Trained

MOST_ATTEMPTS = 4096
MOST_CHANGES = 100_000
MOST_STROKES = 4_999
BESIDE_SIDE = 256
"""Pixels to which small pictures are enlarged beside their target."""
ENDINGS = (".png", "-and-target.png", ".json")


def reconstruct(
    images: Annotated[
        list[Path],
        typer.Argument(
            help="Picture files of any size, folders of them, or - for standard input; drawings should be dark on "
            "white."
        ),
    ],
    run: options.PainterRun = None,
    model: options.Model = None,
    out: Annotated[Path, typer.Option(help="Folder for programs and pictures.")] = Path("reconstructions"),
    fit: Annotated[
        Literal["crop", "pad", "tile"] | None,
        typer.Option(
            help="What is done with pictures of another shape than the agent's view: crop cuts them around their "
            "center, pad gives them white margins (default: crop if the model learned from celeba, faces or a "
            "folder, otherwise pad). tile paints one large canvas of nearly their shape, up to eight times as wide and "
            "high as the agent's, by a search for the strokes that help most, which is not learned; --attempts and "
            "--refine are not used.",
            show_default=False,
        ),
    ] = None,
    strokes: Annotated[int, typer.Option(min=1, max=MOST_STROKES, help="Most strokes with --fit tile.")] = 400,
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
    """Copy pictures with a run or model that was trained to copy targets, and say how close each painting is.

    For each picture NAME.png it writes NAME.json (the program), NAME.png (the canvas) and NAME-and-target.png (the
    target beside the painting, and with --refine the refined painting, too). A picture of a folder that can't be read
    is skipped and named at the end, with exit code 2.
    """
    files = picture_files(images)
    _check_outputs(files, out, overwrite)
    options.compute_with_one_thread()
    found = options.find_painter(run, model, runs)

    from spiral.models.loading import load_painter  # noqa: PLC0415

    trained = load_painter(found, device)
    if not trained.config.conditional:
        raise ValueError(
            "run, model: it learned to paint from nothing and takes no target; a model that takes one ships with the "
            "package: --model mnist-reconstruct"
        )

    channels = trained.engine.observation_shape[2]
    # Those that the user named are read before the first is painted: a bad one costs no time and leaves nothing behind.
    named = {file: file.read(channels) for file in files if not file.in_folder}
    progress, bad = Progress(len(files)), []
    for number, file in enumerate(files):
        progress.at(number)
        try:
            picture = named[file] if file in named else file.read(channels)
        except ValueError as error:
            bad.append(str(error))
            continue
        if fit == "tile":
            painted = _tile(trained, picture, strokes, seed, partial(progress.at_share, number))
        else:
            painted = _attempt(trained, picture, fit, attempts, seed, refine)
        try:
            _write(file.name, out, painted)
        except OSError as error:
            raise ValueError(f"out: {out} can't be written: {error.strerror or error}") from error
        progress.clear()
        typer.echo(f"{file.name}: {painted.said}: {out}/{file.name}.png")
    progress.clear()
    if bad:
        raise ValueError(f"images: {len(bad)} of {len(files)} were skipped: {'; '.join(bad)}")


@dataclass(frozen=True, slots=True)
class _Painted:
    """A program, its picture ``[H, W, C]``, what is shown of it by caption, and what is said of it."""

    program: Program
    canvas: NDArray[np.uint8]
    shown: dict[str, NDArray[np.uint8]]
    said: str


def _attempt(
    trained: Trained,
    picture: NDArray[np.uint8],
    fit: Literal["crop", "pad"] | None,
    attempts: int,
    seed: int,
    refine: int,
) -> _Painted:
    from spiral.reconstruction.attempts import reconstruct as paint  # noqa: PLC0415
    from spiral.reconstruction.targets import target_of  # noqa: PLC0415

    target = target_of(picture, trained, fit)
    best = paint(trained, target.picture, attempts, seed, refine)
    enlarged = target.picture.repeat(best.canvas.shape[0] // target.picture.shape[0], 0)
    enlarged = enlarged.repeat(best.canvas.shape[1] // target.picture.shape[1], 1)
    shown = {"target": enlarged, "painted": best.painted, **({"refined": best.canvas} if refine else {})}
    likeness = "" if best.ssim is None else f", ssim {best.ssim:.3f}"
    searched = f" at {best.painted_mse:.4f}, then {best.changes:,} changes" if refine else ""
    said = f"{target.change}; mse {best.mse:.4f}{likeness}, best of {attempts}{searched}"
    return _Painted(best.program, best.canvas, shown, said)


def _tile(
    trained: Trained, picture: NDArray[np.uint8], strokes: int, seed: int, say: Callable[[float], None]
) -> _Painted:
    from spiral.reconstruction.photos import paint_photo  # noqa: PLC0415

    photo = paint_photo(trained, picture, strokes, seed, say)
    said = f"{photo.change}; mse {photo.mse:.4f}, {photo.strokes:,} strokes"
    return _Painted(photo.program, photo.canvas, {"target": photo.target, "painted": photo.canvas}, said)


def _check_outputs(files: Sequence[PictureFile], out: Path, overwrite: bool) -> None:
    """Raise ValueError if a picture can't be written as asked."""
    written = [path for file in files for path in _written(out, file.name)]
    twice = sorted({path.stem for path in written if written.count(path) > 1})
    if twice:
        raise ValueError(f"images: {', '.join(twice)}: several pictures would be written to one file; rename them")
    lost = sorted({path.resolve() for path in written} & {file.path.resolve() for file in files})
    if lost:
        raise ValueError(f"out: {lost[0]} is one of the pictures and would be overwritten; name another folder")
    if out.exists() and not out.is_dir():
        raise ValueError(f"out: {out} is a file; name a folder")
    refuse_to_overwrite(written, overwrite)


def _written(out: Path, name: str) -> list[Path]:
    return [out / f"{name}{ending}" for ending in ENDINGS]


def _write(name: str, out: Path, painted: _Painted) -> None:
    from spiral import pictures  # noqa: PLC0415

    scale = max(1, BESIDE_SIDE // max(painted.canvas.shape[:2]))
    out.mkdir(parents=True, exist_ok=True)
    with atomic_write(out / f"{name}.json") as aside:
        aside.write_text(painted.program.to_json(), encoding="utf-8")
    pictures.save_png(pictures.contact_sheet(painted.canvas[None], scale=1, margin=0), out / f"{name}.png")
    beside = {caption: image[None] for caption, image in painted.shown.items()}
    pictures.save_png(pictures.side_by_side(beside, scale=scale), out / f"{name}-and-target.png")
    remember(_written(out, name))
