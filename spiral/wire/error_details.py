"""Shortens the sentence of a failed call so that it arrives.

gRPC sends it in the header ``grpc-message``, as percent-encoded UTF-8. A client always accepts headers of 8 KiB. It
drops some longer ones at random and all above 16 KiB, and then reports RESOURCE_EXHAUSTED instead of the real status.
"""

from __future__ import annotations

MAX_DETAILS_BYTES = 4096
"""Most bytes of an encoded sentence; half of what every client accepts."""
CUT = " … (cut)"
"""The end of a sentence that was cut."""


def travelling_bytes(text: str) -> int:
    """Bytes of ``text`` in percent-encoded UTF-8: one for printable ASCII except ``%``, three for any other byte."""
    return sum(1 if 0x20 <= byte <= 0x7E and byte != 0x25 else 3 for byte in text.encode())


def fit(details: str) -> str:
    """The sentence itself, or as much of its start as fits into ``MAX_DETAILS_BYTES`` together with ``CUT``.

    Characters that UTF-8 can't encode (a lone surrogate, as in a file name that is not UTF-8) become ``?``.
    """
    # Each character takes at least one byte, so a sentence of megabytes is not measured to its end.
    details = details[: MAX_DETAILS_BYTES + 1].encode(errors="replace").decode()
    if travelling_bytes(details) <= MAX_DETAILS_BYTES:
        return details
    room, kept = MAX_DETAILS_BYTES - travelling_bytes(CUT), 0
    while (size := travelling_bytes(details[kept])) <= room:
        room -= size
        kept += 1
    return details[:kept] + CUT
