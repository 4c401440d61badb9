"""Programs as pictures: PNG, contact sheets, arrays, and animations."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from spiral import pictures
from spiral.computing.machine import require_memory
from spiral.engines.export_plans import MS, Options, Plan, common_shape, count_of, only, pictures_of
from spiral.engines.programs import Program, frames, render, shape_of
from spiral.exports.mp4 import MOST_PIXELS, enlargement, require_av, save_mp4
from spiral.values.atomic_file import atomic_write

WRITER_BYTES = 16
"""Memory for each pixel of a picture that is being written."""
SLOWEST_MS = 60_000


def plan_png(programs: Sequence[Program], path: Path, options: Options) -> Plan:
    if len(programs) > 1 and not options.sheet:
        raise ValueError(f"programs: {len(programs)} make no single picture; expected sheet, or one program")
    if len(programs) > 1 and options.every is not None:
        raise ValueError("every: a sheet of several programs has the last picture of each; expected one program")
    if options.sheet:
        return _plan_sheet(programs, path, options)
    program, transparent = programs[0], bool(options.transparent)
    scale, every = _or(options.scale, 1), options.every
    count, height, width, channels = shape_of(program, scale, every, transparent=transparent)
    require_memory((WRITER_BYTES + channels) * height * width, f"scale: {scale}: a picture of {width}×{height}")
    if every is None:

        def write_last() -> str:
            pictures.save_png(pictures.picture(render(program, scale, transparent=transparent)[0]), path)
            return f"{path}: {pictures_of(1, width, height)}"

        return Plan([path], write_last)
    steps = [*range(every, len(program.actions), every), len(program.actions)]
    digits = len(str(steps[-1]))
    files = [path.with_name(f"{path.stem}-{step:0{digits}}{path.suffix}") for step in steps]

    def write() -> str:
        with tempfile.TemporaryDirectory(prefix=f".{path.stem}.", suffix=".part", dir=path.parent) as private:
            aside = [Path(private) / file.name for file in files]
            painted = frames(program, scale, every, transparent=transparent)
            for file, (_, picture) in zip(aside, painted, strict=True):
                pictures.save_png(pictures.picture(picture), file)
            for made, file in zip(aside, files, strict=True):
                made.replace(file)
        return f"{files[0]} … {files[-1].name}: {pictures_of(count, width, height)}"

    return Plan(files, write)


def _plan_sheet(programs: Sequence[Program], path: Path, options: Options) -> Plan:
    if options.transparent:
        raise ValueError("transparent: a sheet has paper between its pictures; expected without sheet")
    scale = _or(options.scale, 1)
    every = options.every if options.every is not None or len(programs) > 1 else 1
    count, height, width, channels = common_shape(programs, scale, every)
    require_memory(
        (WRITER_BYTES + channels) * count * height * width, f"scale: {scale}: {pictures_of(count, width, height)}"
    )

    def write() -> str:
        images = np.concatenate([render(program, scale, every) for program in programs])
        pictures.save_png(pictures.contact_sheet(images, scale=1), path)
        return f"{path}: a sheet of {pictures_of(count, width, height)}"

    return Plan([path], write)


def plan_gif(programs: Sequence[Program], path: Path, options: Options) -> Plan:
    scale, every, ms = _or(options.scale, 1), _or(options.every, 1), _or(options.ms, MS)
    if not pictures.FASTEST_MS <= ms <= SLOWEST_MS:
        raise ValueError(f"ms: {ms} is outside {pictures.FASTEST_MS}…{SLOWEST_MS} milliseconds")
    count, height, width, channels = common_shape(programs, scale, every)
    what = pictures_of(count, width, height)
    if (pixels := count * height * width) > pictures.MAX_GIF_PIXELS:
        raise ValueError(
            f"scale: {scale} makes {what}, {pixels:,} pixels in all, but a GIF gets at most "
            f"{pictures.MAX_GIF_PIXELS:,}; expected a smaller scale or a larger every"
        )
    require_memory((count * channels + WRITER_BYTES * len(programs)) * height * width, f"scale: {scale}: {what}")

    def write() -> str:
        paintings = [render(program, scale, every) for program in programs]
        pictures.save_painting_gif(path, paintings, ms_per_frame=ms, scale=1)
        return f"{path}: {what}{', on white: a GIF has no alpha' if channels == 4 else ''}"

    return Plan([path], write)


def plan_mp4(programs: Sequence[Program], path: Path, options: Options) -> Plan:
    require_av()
    scale, every, ms = _or(options.scale, 1), _or(options.every, 1), _or(options.ms, MS)
    if not pictures.FASTEST_MS <= ms <= SLOWEST_MS:
        raise ValueError(f"ms: {ms} is outside {pictures.FASTEST_MS}…{SLOWEST_MS} milliseconds")
    _, height, width, _ = common_shape(programs, scale, every)
    blank = _laid_out([np.full((height, width, 1), 255, np.uint8)] * len(programs))
    factor = enlargement(blank.width, blank.height, scale)
    size = f"{blank.width * factor}×{blank.height * factor}"
    if blank.width * blank.height * factor**2 > MOST_PIXELS:
        raise ValueError(f"scale: {scale} makes pictures of {size}; an MP4 has at most {MOST_PIXELS:,} pixels")

    def write() -> str:
        paintings = [frames(program, scale, every) for program in programs]
        count = save_mp4(path, (_laid_out(moment) for moment in _moments(paintings)), ms, factor)
        return f"{path}: {count_of(count, 'frame')} of {size}, {1000 / ms:g} a second"

    return Plan([path], write)


def _moments(paintings: Sequence[Iterator[tuple[int, NDArray[np.uint8]]]]) -> Iterator[list[NDArray[np.uint8]]]:
    """What paintings show at the same time; a shorter one waits finished for the others."""
    seen: list[NDArray[np.uint8]] = [np.empty(0, np.uint8)] * len(paintings)
    while painted := [
        (at, following[1]) for at, painting in enumerate(paintings) if (following := next(painting, None))
    ]:
        for at, picture in painted:
            seen[at] = picture
        yield seen


def _laid_out(seen: Sequence[NDArray[np.uint8]]) -> Image.Image:
    return pictures.contact_sheet(np.stack(seen), scale=1, margin=0 if len(seen) == 1 else 4)


def plan_npz(programs: Sequence[Program], path: Path, options: Options) -> Plan:
    program, transparent, scale = only(programs, path), bool(options.transparent), _or(options.scale, 1)
    count, height, width, channels = shape_of(program, scale, options.every, transparent=transparent)
    what = pictures_of(count, width, height)
    require_memory((count * channels + WRITER_BYTES) * height * width, f"scale: {scale}: {what}")

    def write() -> str:
        images = render(program, scale, options.every, transparent=transparent)
        with atomic_write(path) as aside, aside.open("wb") as file:
            np.savez_compressed(file, images=images)
        return f"{path}: {what}"

    return Plan([path], write)


def _or(value: int | None, default: int) -> int:
    return default if value is None else value
