"""MP4 (H.264) of pictures, for players, editors and web pages that take no GIF. Needs PyAV: the extra ``video``."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

from PIL import Image

from spiral.extras import to_install
from spiral.values.atomic_file import atomic_write

LEAST_ENLARGEMENT = 4
"""Least video pixels per canvas pixel along each side: the video has one color for four pixels."""
MOST_PIXELS = 139_264 * 16**2
"""Limit for one picture: the macroblocks of the largest level of H.264."""
HOLD_MS = 2000
BT709, SRGB, LIMITED = 1, 13, 1
"""Numbers from ITU-T H.273: matrix and primaries, transfer, range."""


def enlargement(width: int, height: int, scale: int) -> int:
    """The least whole number that makes both sides even and, with ``scale``, LEAST_ENLARGEMENT or more."""
    factor = math.ceil(LEAST_ENLARGEMENT / scale)
    return factor if (width * factor) % 2 == (height * factor) % 2 == 0 else factor + factor % 2


def require_av() -> None:
    """Raises ValueError with the remedy if PyAV is not installed."""
    if importlib.util.find_spec("av") is None:
        raise ValueError(f"out: an .mp4 needs PyAV, which is not installed; expected after: {to_install('video')}")


def save_mp4(path: Path, images: Iterable[Image.Image], ms: int, factor: int, hold_ms: int = HOLD_MS) -> int:
    """Write pictures of one size, each ``ms`` milliseconds and ``factor`` times as large; the number of frames.

    The rate is constant: the last picture is repeated for ``hold_ms``. OSError if the file cannot be written.
    """
    import av  # noqa: PLC0415  (an extra)
    from av.video.reformatter import ColorRange, Colorspace  # noqa: PLC0415

    with atomic_write(path) as aside, av.open(str(aside), "w", format="mp4") as container:
        stream: Any = container.add_stream("libx264", rate=Fraction(1000, ms), options={"crf": "16"})
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.colorspace = context.color_primaries = BT709
        context.color_trc, context.color_range = SRGB, LIMITED
        count = 0
        for count, image in enumerate(_held(images, max(1, round(hold_ms / ms))), start=1):
            large = image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST)
            if count == 1:
                stream.width, stream.height = large.size
            frame = av.VideoFrame.from_image(large.convert("RGB")).reformat(
                format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG
            )
            frame.pts = count - 1
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return count


def _held(images: Iterable[Image.Image], times: int) -> Iterator[Image.Image]:
    """All pictures, with the last one repeated."""
    last = None
    for image in images:
        if last is not None:
            yield last
        last = image
    if last is not None:
        yield from [last] * times
