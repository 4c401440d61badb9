"""From a picture's bytes to pixels: what its metadata may be, what it may cost, and what its inks mean."""

from __future__ import annotations

import io
import zlib

import numpy as np
import pytest
from PIL import Image, ImageChops

from spiral.datasets.decoding import MAX_PIXELS, decode

PIXELS = np.random.default_rng(0).integers(0, 256, (16, 8, 3), dtype=np.uint8)


def saved(picture: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def chunk(kind: bytes, body: bytes, crc: int | None = None) -> bytes:
    return len(body).to_bytes(4) + kind + body + (zlib.crc32(kind + body) if crc is None else crc).to_bytes(4)


def segment(marker: int, body: bytes) -> bytes:
    return bytes((0xFF, marker)) + (len(body) + 2).to_bytes(2) + body


def turned() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


PNG = saved(Image.fromarray(PIXELS), "PNG")
HEAD = len(PNG) - len(PNG[8 + 25 :])  # signature and IHDR
JPEG = saved(Image.fromarray(PIXELS), "JPEG")
DAMAGED_TEXT = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(1 << 21)))  # unpacks to more than Pillow takes


@pytest.mark.parametrize(
    "metadata",
    [
        DAMAGED_TEXT,
        chunk(b"pHYs", b"\0"),
        chunk(b"gAMA", b""),
        chunk(b"tEXt", b"Comment\0made with care", crc=0),
        chunk(b"iCCP", b"profile\0\1"),
        chunk(b"acTL", bytes(3)),
        chunk(b"fcTL", bytes(26)),
        chunk(b"eXIf", b"MM\0*\xff\xff\xff\xff"),
        chunk(b"eXIf", b"no such thing"),
        chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(b"\nexif\n 4\nzz")),
    ],
)
def test_what_a_png_says_beside_its_pixels_may_be_damaged(metadata: bytes):
    np.testing.assert_array_equal(decode(PNG[:HEAD] + metadata + PNG[HEAD:], "odd.png"), PIXELS)


@pytest.mark.parametrize(
    "metadata",
    [
        segment(0xE0, b"JFIF\0"),
        segment(0xE1, b"Exif\0\0MM\0*\xff\xff\xff\xff"),
        segment(0xE1, b"Exif\0\0II*\0\x08\0\0\0\1\0\x12\1\2\0\4\0\0\0"),  # an orientation that is a text, cut off
        segment(0xE2, b"MPF\0II*\0\x08\0\0\0\1\0\1\xb0\7\0\xff\0\0\0\0\0\0\0"),
        segment(0xED, b"Photoshop 3.0\x008BIM\3\xed"),
        segment(0xEE, b"Adobe"),
    ],
)
def test_what_a_jpeg_says_beside_its_pixels_may_be_damaged(metadata: bytes):
    np.testing.assert_array_equal(decode(JPEG[:2] + metadata + JPEG[2:], "odd.jpg"), decode(JPEG, "fine.jpg"))


def test_a_picture_is_brought_upright_though_other_metadata_is_damaged():
    upright = np.rot90(PIXELS, -1)
    png = saved(Image.fromarray(PIXELS), "PNG", exif=turned())
    np.testing.assert_array_equal(decode(png, "turned.png"), upright)
    np.testing.assert_array_equal(decode(png[:HEAD] + DAMAGED_TEXT + png[HEAD:], "odd.png"), upright)
    jpeg = saved(Image.fromarray(PIXELS), "JPEG", exif=turned())
    jpeg = jpeg[:2] + segment(0xEE, b"Adobe") + jpeg[2:]
    np.testing.assert_array_equal(decode(jpeg, "odd.jpg"), np.rot90(decode(JPEG, "fine.jpg"), -1))


def test_damaged_pixels_are_no_metadata():
    with pytest.raises(ValueError, match=r"cut\.png is not a readable picture"):
        decode(PNG[:-60], "cut.png")
    with pytest.raises(ValueError, match=r"odd\.png is not a readable picture"):
        decode(PNG.replace(b"IDAT", b"IDOT"), "odd.png")


def test_inks_are_inverted_only_where_adobe_s_marker_says_so():
    inks = Image.new("CMYK", (16, 16), (0, 0, 0, 0))
    adobe = saved(inks, "JPEG", quality=100)
    at = adobe.index(b"\xff\xeeAdobe"[:2])
    bare = saved(ImageChops.invert(inks), "JPEG", quality=100)
    bare = bare[:at] + bare[at + 16 :]
    assert b"Adobe" in adobe
    assert b"Adobe" not in bare
    for content in (adobe, bare):  # both say: no ink, white paper
        assert decode(content, "white.jpg").min() > 250


@pytest.mark.parametrize(("width", "height"), [(MAX_PIXELS // 8192 + 1, 8192), (1 << 15, 1 << 15)])
def test_a_picture_is_measured_before_it_is_decoded(width: int, height: int):
    header = width.to_bytes(4) + height.to_bytes(4) + b"\1\0\0\0\0"
    promises = PNG[:8] + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")
    with pytest.raises(ValueError, match=r"large\.png has too many pixels.*; at most 67,108,864 are decoded"):
        decode(promises, "large.png")
