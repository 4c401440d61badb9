"""Removes metadata from a PNG or JPEG file, so that only the data for decoding its pixels remain.

The layouts are those of the PNG specification, section 5, and of ITU-T T.81, annex B.
"""

from __future__ import annotations

import zlib

_PNG = b"\x89PNG\r\n\x1a\n"
_PIXEL_CHUNKS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
_JPEG = b"\xff\xd8"
_ALONE = (0x01, *range(0xD0, 0xD9))  # markers without a segment
_APPLICATION, _COMMENT, _SCAN = range(0xE0, 0xF0), 0xFE, 0xDA


def without_metadata(content: bytes, exif: bool) -> bytes:
    """Drop the metadata of a PNG or JPEG file, except EXIF if ``exif``; other content is returned unchanged."""
    if content.startswith(_PNG):
        return _PNG + b"".join(_pixel_chunks(content, exif))
    if content.startswith(_JPEG):
        return _JPEG + b"".join(_pixel_segments(content, exif))
    return content


def _pixel_chunks(content: bytes, exif: bool) -> list[bytes]:
    kept: list[bytes] = []
    at = len(_PNG)
    while at < len(content):
        end = at + 12 + int.from_bytes(content[at : at + 4])
        chunk, kind = content[at:end], content[at + 4 : at + 8]
        whole = kind == b"eXIf" and zlib.crc32(chunk[4:-4]) == int.from_bytes(chunk[-4:])
        if kind in _PIXEL_CHUNKS or (exif and whole):
            kept.append(chunk)
        at = end
    return kept


def _pixel_segments(content: bytes, exif: bool) -> list[bytes]:
    kept: list[bytes] = []
    at = len(_JPEG)
    while (at := content.find(b"\xff", at)) >= 0 and at + 1 < len(content):
        marker = content[at + 1]
        if marker == _SCAN:
            return [*kept, content[at:]]
        if marker in (0x00, 0xFF) or marker in _ALONE:  # junk and filling, which decoders pass over too
            at += 1
            continue
        end = at + 2 + int.from_bytes(content[at + 2 : at + 4])
        if _is_for_pixels(marker, content[at + 4 : end], exif):
            kept.append(content[at:end])
        at = end
    return kept


def _is_for_pixels(marker: int, body: bytes, exif: bool) -> bool:
    """Whether decoding needs a segment; of application segments, only those about the storage of colors."""
    if marker == 0xE0:
        return body.startswith(b"JFIF") and len(body) >= 14
    if marker == 0xEE:
        return body.startswith(b"Adobe") and len(body) >= 12
    if marker == 0xE1:
        return exif and body.startswith(b"Exif\0\0")
    return marker != _COMMENT and marker not in _APPLICATION
