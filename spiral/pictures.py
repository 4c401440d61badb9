"""Pictures for people: contact sheets, side by side, paintings stroke by stroke, strips, learning curves.

Images are uint8 [N, H, W, C] with 1 channel (gray), 3 (red, green, blue) or 4 (with alpha, shown on white). Files are
written aside and renamed, so a reader never meets half a picture.
"""

from __future__ import annotations

import itertools
import math
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from spiral.values.atomic_file import atomic_write

Images = NDArray[np.uint8]

# A mid gray paper keeps the edges of white canvases visible; captions are near black on it.
PAPER = (226, 226, 230)
INK = (40, 40, 48)
# Tiles are enlarged by whole factors to about this many pixels: small enough for 64 on a screen, large enough to read.
TILE = 96
CAPTION = 18
_FONT = 14
# Viewers slow frames of less than 20 ms down to 100.
FASTEST_MS = 20
MAX_GIF_PIXELS = 1 << 28
"""Most of a GIF, all its frames together: they take about a minute and a gigabyte."""
# A GIF's times are multiples of it.
STEP_MS = 10


def contact_sheet(images: Images, columns: int | None = None, scale: int | None = None, margin: int = 4) -> Image.Image:
    """Lay out uint8 [N, H, W, C] row by row, `columns` across (about square by default), each enlarged `scale` times.

    `margin` is the space between pictures in pixels. Raises ValueError for another shape or dtype, or no picture.
    """
    tiles = _tiles(images)
    columns = math.ceil(math.sqrt(len(tiles))) if columns is None else columns
    if columns < 1:
        raise ValueError(f"columns: {columns} is too few; expected at least 1")
    scale = _scale(tiles, scale)
    across, down = min(columns, len(tiles)), math.ceil(len(tiles) / columns)
    width, height = tiles[0].width * scale, tiles[0].height * scale
    sheet = Image.new("RGB", (across * (width + margin) + margin, down * (height + margin) + margin), PAPER)
    for index, tile in enumerate(tiles):
        row, column = divmod(index, columns)
        place = (margin + column * (width + margin), margin + row * (height + margin))
        sheet.paste(tile.resize((width, height), Image.Resampling.NEAREST), place)
    return sheet


def side_by_side(
    sheets: Mapping[str, Images], columns: int = 8, scale: int | None = None, margin: int = 4
) -> Image.Image:
    """Put contact sheets beside each other under their captions: {"painted": uint8 [N, H, W, C], "real": …}."""
    if not sheets:
        raise ValueError("side by side: there is no sheet; expected at least 1")
    laid_out = [contact_sheet(images, columns, scale, margin) for images in sheets.values()]
    gap = 4 * margin
    width = sum(sheet.width for sheet in laid_out) + gap * (len(laid_out) - 1)
    whole = Image.new("RGB", (width, max(sheet.height for sheet in laid_out) + CAPTION + margin), PAPER)
    left = 0
    for caption, sheet in zip(sheets, laid_out, strict=True):
        _caption(whole, caption, left, sheet.width, margin)
        whole.paste(sheet, (left, CAPTION + margin))
        left += sheet.width + gap
    return whole


def strip(columns: Mapping[str, Images], scale: int | None = None, margin: int = 4) -> Image.Image:
    """Show how painting changed: one labeled column a moment, one row for each random draw.

    `columns` maps a label ("start", "¼", …) to uint8 [N, H, W, C], with the same N draws in the same order.
    """
    counts = {label: len(images) for label, images in columns.items()}
    if len(set(counts.values())) != 1:
        raise ValueError(f"strip: the columns have {counts} pictures; all need the same number")
    return side_by_side(columns, 1, scale, margin)


def picture(image: Images) -> Image.Image:
    """One picture as it is, uint8 [H, W, C]: with its alpha, where it has 4 channels."""
    return Image.fromarray(image) if image.shape[2] == 4 else _tiles(image[np.newaxis])[0]


def save_png(image: Image.Image, path: Path) -> None:
    """Write a PNG, aside and then renamed; its folder is made."""
    _replace(path, lambda aside: image.save(aside, format="PNG"))


def save_painting_gif(
    path: Path,
    paintings: Sequence[Images],
    *,
    ms_per_frame: int = 120,
    hold_ms: int = 2000,
    columns: int | None = None,
    scale: int | None = None,
) -> None:
    """Write a GIF of paintings being painted at the same time, stroke by stroke; it repeats forever.

    `paintings` are uint8 [T, H, W, C], one a program; a shorter one waits finished for the others. The last frame stays
    `hold_ms`. A GIF counts in 10 ms, so frames differ by so much where the time of all would be wrong otherwise. Raises
    ValueError for different sizes, no frame, frames shorter than 20 ms, or a picture that stays longer than 655 s.
    """
    if not paintings or not all(len(painting) for painting in paintings):
        raise ValueError("painting GIF: there is no painting or one without frames; expected at least 1 frame each")
    if min(ms_per_frame, hold_ms) < FASTEST_MS:
        raise ValueError(f"painting GIF: {min(ms_per_frame, hold_ms)} ms is too short; at least {FASTEST_MS} is shown")
    shapes = {painting.shape[1:] for painting in paintings}
    if len(shapes) > 1:
        raise ValueError(f"painting GIF: frames of different shapes {sorted(shapes)}; all need one")
    length = max(len(painting) for painting in paintings)
    frames = (  # made as they are written: large ones need the memory
        contact_sheet(np.stack([painting[min(moment, len(painting) - 1)] for painting in paintings]), columns, scale)
        for moment in range(length)
    )
    durations = _in_steps([ms_per_frame] * (length - 1) + [hold_ms])

    def write(aside: Path) -> None:
        next(frames).save(aside, "GIF", save_all=True, append_images=frames, duration=durations, loop=0)

    try:
        _replace(path, write)
    except OverflowError as error:  # frames that are equal are one, which stays for the time of all
        raise ValueError("painting GIF: a picture stays for longer than 655 s, which a GIF can't say") from error


def _in_steps(durations_ms: Sequence[int]) -> list[int]:
    """Durations rounded to a GIF's steps such that each frame ends as near as can be to where it should, ms."""
    ends = [0, *(STEP_MS * round(end / STEP_MS) for end in itertools.accumulate(durations_ms))]
    return [end - start for start, end in itertools.pairwise(ends)]


def save_learning_curve(path: Path, records: Sequence[Mapping[str, Any]], title: str = "") -> None:
    """Plot what a run recorded, over learned frames, as a PNG; only what is there gets a panel.

    Each record has `frames` and any of `minutes`, `score_real`, `score_painted`, `entropy` (nats, a mapping by
    component or one number), `lenet_fid`, `real_fid`, `frames_per_s`. Raises ValueError if no record
    has anything to plot.
    """
    panels = _panels(records)
    if not panels:
        raise ValueError(f"learning curve: none of the {len(records)} records has both frames and a measure to plot")
    # matplotlib takes half a second to import and only this function needs it.
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(5.2 * min(2, len(panels)), 3.4 * math.ceil(len(panels) / 2)), layout="constrained")
    FigureCanvasAgg(figure)
    if title:
        figure.suptitle(title)
    for place, (name, lines) in enumerate(panels.items(), start=1):
        axes = figure.add_subplot(math.ceil(len(panels) / 2), min(2, len(panels)), place)
        for label, points in lines.items():
            xs, ys = zip(*points, strict=True)
            marker = "o" if len(points) <= 30 else None
            axes.plot(xs, ys, label=label, marker=marker, markersize=3, linewidth=1.4)
        if name == "LeNet-FID" and all(y > 0 for points in lines.values() for _, y in points):
            axes.set_yscale("log")
            axes.yaxis.set_major_formatter("{x:g}")
        if name == RATE:
            axes.set_ylim(bottom=0)
        axes.set_title(name, fontsize=10)
        axes.set_xlabel(_x_label(records), fontsize=9)
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
        if len(lines) > 1:
            axes.legend(fontsize=8, frameon=False, ncols=1 + len(lines) // 4)
    _replace(path, lambda aside: figure.savefig(aside, format="png", dpi=110))


RATE = "learned frames per second"
# Panel → its lines: label → key of the record.
_PANELS: Mapping[str, Mapping[str, str]] = {
    "LeNet-FID": {"painted": "lenet_fid", "real against real": "real_fid"},
    "score of the discriminator": {"real": "score_real", "painted": "score_painted"},
    "entropy (nats)": {"entropy": "entropy"},
    RATE: {"frames/s": "frames_per_s"},
}

Lines = dict[str, list[tuple[float, float]]]


def _panels(records: Sequence[Mapping[str, Any]]) -> dict[str, Lines]:
    panels: dict[str, Lines] = {}
    for panel, keys in _PANELS.items():
        lines: Lines = {}
        for record in records:
            for label, key in keys.items():
                value = record.get(key)
                several = value if isinstance(value, Mapping) else {label: value}
                for name, number in several.items():
                    if number is not None and "frames" in record and math.isfinite(number):
                        lines.setdefault(name, []).append((record["frames"] / 1e6, float(number)))
        if lines:
            panels[panel] = lines
    return panels


def _x_label(records: Sequence[Mapping[str, Any]]) -> str:
    minutes = [record["minutes"] for record in records if record.get("minutes") is not None]
    return "million learned frames" + (f" ({max(minutes):.1f} minutes in all)" if minutes else "")


def _tiles(images: Images) -> list[Image.Image]:
    if images.ndim != 4 or images.dtype != np.uint8 or images.shape[3] not in (1, 3, 4) or not images.size:
        raise ValueError(
            f"pictures: {images.dtype} {list(images.shape)}; expected uint8 [N, H, W, 1, 3 or 4] with N ≥ 1"
        )
    tiles = []
    for image in images:
        tile = Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image)
        if tile.mode == "RGBA":
            tile = Image.alpha_composite(Image.new("RGBA", tile.size, "white"), tile)
        tiles.append(tile.convert("RGB"))
    return tiles


def _scale(tiles: list[Image.Image], scale: int | None) -> int:
    if scale is None:
        return max(1, round(TILE / max(tiles[0].size)))
    if scale < 1:
        raise ValueError(f"scale: {scale} is too small; expected a whole number ≥ 1")
    return scale


def _caption(whole: Image.Image, text: str, left: int, width: int, top: int) -> None:
    # Pillow's own font has no ¼ ½ ¾; taken apart they are plain digits and a fraction slash.
    text = unicodedata.normalize("NFKC", text).replace("\N{FRACTION SLASH}", "/")
    draw = ImageDraw.Draw(whole)
    draw.text((left + width // 2, top), text, fill=INK, font=ImageFont.load_default(_FONT), anchor="ma")


def _replace(path: Path, write: Callable[[Path], object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as aside:
        write(aside)
