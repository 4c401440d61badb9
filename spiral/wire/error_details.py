"""The sentence of a failed call, short enough to arrive.

gRPC sends it as a header, ``grpc-message``, as percent-encoded UTF-8. A client takes headers of 8 KiB for certain. It
drops longer ones at random, all above 16 KiB, and reports RESOURCE_EXHAUSTED in place of the status that was sent.
"""

from __future__ import annotations

MAX_DETAILS_BYTES = 4096
"""Most bytes of a sentence as it travels; half of what every client takes."""
CUT = " … (cut)"
"""Ends a sentence that was longer."""


def travelling_bytes(text: str) -> int:
    """Bytes of ``text`` in percent-encoded UTF-8: one for printable ASCII except ``%``, three for any other byte."""
    return sum(1 if 0x20 <= byte <= 0x7E and byte != 0x25 else 3 for byte in text.encode())


def fit(details: str) -> str:
    """The sentence itself, or as much of its start as fits into ``MAX_DETAILS_BYTES`` together with ``CUT``.

    What UTF-8 can't hold (a lone surrogate, as in a file's name that is not UTF-8) becomes ``?``.
    """
    # Each character is at least one byte: a sentence of megabytes is not measured to its end.
    details = details[: MAX_DETAILS_BYTES + 1].encode(errors="replace").decode()
    if travelling_bytes(details) <= MAX_DETAILS_BYTES:
        return details
    room, kept = MAX_DETAILS_BYTES - travelling_bytes(CUT), 0
    while (size := travelling_bytes(details[kept])) <= room:
        room -= size
        kept += 1
    return details[:kept] + CUT
