"""``spiral paint``: let a trained run paint pictures, and keep their programs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spiral.cli import options

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from spiral.trained import Trained

MOST = 1_000_000


def paint(
    run: options.RunName,
    out: Annotated[
        Path,
        typer.Option(help="A file.npz with the array images, uint8 [N, H, W, C]; or a folder for PNG files."),
    ],
    num: Annotated[int, typer.Option(min=1, max=MOST, help="Number of pictures.")] = 64,
    seed: options.Seed = 0,
    runs: options.Runs = options.RUNS,
) -> None:
    """Paint with the averaged weights of a run's newest checkpoint.

    The pictures are the canvases, not the views that the agent sees. Their programs go to a folder beside them:
    samples.npz has samples.programs/.
    """
    from spiral.runs import find_run  # noqa: PLC0415

    found = find_run(runs, run)
    programs = out.with_suffix(".programs") if out.suffix == ".npz" else out.with_name(f"{out.name}.programs")
    _check(out)

    from spiral.trained import load_trained, targets_for  # noqa: PLC0415

    trained = load_trained(found)
    images, actions = trained.paint(num, seed, targets_for(trained, num, seed))
    _write_images(out, images)
    _write_programs(programs, trained, actions, seed)
    typer.echo(f"{num} pictures of {trained.frames:,} learnt frames: {out}, programs: {programs}")


def _check(out: Path) -> None:
    """ValueError where the output can't be what it is to be, before anything is painted."""
    if out.suffix and out.suffix != ".npz":
        raise ValueError(f'out: "{out}" is neither a .npz file nor a folder; write for example samples.npz')
    if out.suffix == ".npz" and out.is_dir():
        raise ValueError(f"out: {out} is a folder; name a file that ends in .npz")
    if not out.suffix and out.exists() and not out.is_dir():
        raise ValueError(f"out: {out} is a file; name a folder, or a file that ends in .npz")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"out: {out.parent} can't be made: {error.strerror}") from error


def _write_images(out: Path, images: NDArray[np.uint8]) -> None:
    import numpy  # noqa: PLC0415
    from PIL import Image  # noqa: PLC0415

    try:
        if out.suffix == ".npz":
            aside = out.with_name(f".{out.name}.part")
            with aside.open("wb") as file:
                numpy.savez_compressed(file, images=images)
            aside.replace(out)
            return
        out.mkdir(exist_ok=True)
        for index, image in enumerate(images):
            Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image).save(
                out / f"{_number(index, len(images))}.png"
            )
    except OSError as error:
        raise ValueError(f"out: {out} can't be written: {error.strerror or error}") from error


def _write_programs(folder: Path, trained: Trained, actions: NDArray[np.int32], seed: int) -> None:
    try:
        folder.mkdir(exist_ok=True)
        for index, program in enumerate(actions):
            trained.program(program).save(folder / f"{_number(index, len(actions))}.json")
    except OSError as error:
        raise ValueError(f"out: {folder} can't be written: {error.strerror or error}") from error


def _number(index: int, count: int) -> str:
    """A file's name: five digits, or as many as keep all names in order."""
    return str(index).zfill(max(5, len(str(count - 1))))
