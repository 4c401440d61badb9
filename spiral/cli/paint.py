"""``spiral paint``: paint pictures with a trained run or model, and keep their programs."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spiral.cli import options
from spiral.outputs import ours, refuse_to_overwrite, remember
from spiral.values.atomic_file import atomic_write

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from spiral.models.trained import Trained

MOST = 1_000_000
SHEET = 64
"""Pictures on a contact sheet."""
_NUMBER = re.compile(r"[0-9]{5,}")


def paint(
    out: Annotated[
        Path,
        typer.Option(
            help="A .npz file for the array images, uint8 [N, H, W, C]; or a folder for PNG files, with a contact "
            "sheet in FOLDER.png."
        ),
    ],
    run: options.PainterRun = None,
    model: options.Model = None,
    num: Annotated[int, typer.Option(min=1, max=MOST, help="Number of pictures.")] = 64,
    seed: options.Seed = 0,
    temperature: options.Temperature = 1.0,
    device: options.PaintingDevice = "auto",
    overwrite: options.Overwrite = False,
    runs: options.Runs = options.RUNS,
) -> None:
    """Paint with a model, or with the averaged weights of a run's newest checkpoint.

    The pictures are the canvases, not the observations that the agent sees. Their programs go to a folder beside them:
    samples.programs/ for samples.npz. Beside a folder samples/, the contact sheet samples.png shows the first 64.
    Files of an earlier `spiral paint` are replaced. Any other file stays: if one would be overwritten, nothing is
    painted.
    """
    programs = out.with_suffix(".programs") if out.suffix == ".npz" else out.with_name(f"{out.name}.programs")
    _check(out)
    files = [out] if out.suffix == ".npz" else [_sheet(out), *_numbered(out, ".png", num)]
    refuse_to_overwrite([*files, *_numbered(programs, ".json", num)], overwrite)

    options.compute_with_one_thread()
    found = options.find_painter(run, model, runs)

    from spiral.models.loading import load_painter  # noqa: PLC0415
    from spiral.models.trained import targets_for  # noqa: PLC0415

    trained = load_painter(found, device, temperature)
    images, actions = trained.paint(num, seed, targets_for(trained, num, seed))
    _write_images(out, images)
    _write_programs(programs, trained, actions)
    sheet = _write_sheet(out, images)
    typer.echo(f"{num} pictures of {trained.frames:,} learned frames: {out}{sheet}, programs: {programs}")


def _check(out: Path) -> None:
    """Raise ValueError, before anything is painted, if the output can't be written as asked."""
    if out.suffix and out.suffix != ".npz":
        raise ValueError(f'out: "{out}" is neither a .npz file nor a folder; write for example samples.npz')
    if out.suffix == ".npz" and out.is_dir():
        raise ValueError(f"out: {out} is a folder; name a file that ends in .npz")
    if not out.suffix and out.exists() and not out.is_dir():
        raise ValueError(f"out: {out} is a file; name a folder, or a file that ends in .npz")
    if not out.suffix and _sheet(out).is_dir():
        raise ValueError(f"out: {_sheet(out)} is a folder, and the sheet of {out} would be there; name another one")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"out: {out.parent} can't be made: {error.strerror}") from error


def _write_images(out: Path, images: NDArray[np.uint8]) -> None:
    import numpy  # noqa: PLC0415
    from PIL import Image  # noqa: PLC0415

    def write(path: Path, image: NDArray[np.uint8]) -> None:
        Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image).save(path)

    if out.suffix != ".npz":
        _replace_numbered(out, ".png", images, write)
        return
    try:
        with atomic_write(out) as aside, aside.open("wb") as file:
            numpy.savez_compressed(file, images=images)
        remember([out])
    except OSError as error:
        raise ValueError(f"out: {out} can't be written: {error.strerror or error}") from error


def _write_sheet(out: Path, images: NDArray[np.uint8]) -> str:
    """Write the first pictures on one sheet beside their folder, and return what to say about it."""
    if out.suffix == ".npz":
        return ""
    from spiral.pictures import contact_sheet, save_png  # noqa: PLC0415

    sheet = _sheet(out)
    try:
        save_png(contact_sheet(images[:SHEET]), sheet)
        remember([sheet])
    except OSError as error:
        raise ValueError(f"out: {sheet} can't be written: {error.strerror or error}") from error
    return f", a sheet of them: {sheet}"


def _sheet(out: Path) -> Path:
    return out.with_name(f"{out.name}.png")


def _write_programs(folder: Path, trained: Trained, actions: NDArray[np.int32]) -> None:
    _replace_numbered(folder, ".json", actions, lambda path, program: trained.program(program).save(path))


def _replace_numbered(
    folder: Path, ending: str, things: NDArray[Any], write: Callable[[Path, NDArray[Any]], object]
) -> None:
    """Write one file per row and remove the files of an earlier painting; other files in the folder stay."""
    files = _numbered(folder, ending, len(things))
    try:
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", suffix=".part", dir=folder.parent) as private:
            aside = Path(private)
            for file, thing in zip(files, things, strict=True):
                write(aside / file.name, thing)
            folder.mkdir(exist_ok=True)
            for old in ours(folder):
                if old.endswith(ending) and _NUMBER.fullmatch(old.removesuffix(ending)):
                    (folder / old).unlink()
            for file in files:
                (aside / file.name).replace(file)
        remember(files)
    except OSError as error:
        raise ValueError(f"out: {folder} can't be written: {error.strerror or error}") from error


def _numbered(folder: Path, ending: str, count: int) -> list[Path]:
    """The file names of ``count`` pictures: five digits, or as many as it takes to keep all names in order."""
    digits = max(5, len(str(count - 1)))
    return [folder / f"{str(index).zfill(digits)}{ending}" for index in range(count)]
