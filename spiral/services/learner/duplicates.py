"""Remembers, in bounded memory, which trajectories were accepted."""

from __future__ import annotations

from collections import OrderedDict

WINDOW = 1024
"""Sequence numbers remembered per sender. A sender has at most as many unanswered trajectories as credits, a handful;
anything older than the window was answered long ago."""
SENDERS = 4096
"""Senders remembered; the one that has been silent longest is forgotten first."""


class AcceptedSequences:
    """Which ``(sender, sequence)`` were accepted: a sliding bit window for each sender."""

    def __init__(self, window: int = WINDOW, senders: int = SENDERS) -> None:
        self._window = window
        self._senders = senders
        self._seen: OrderedDict[tuple[str, int], tuple[int, int]] = OrderedDict()
        """For each sender the highest sequence number, and a bit ``i`` that is set if ``highest - i`` was accepted."""

    def __contains__(self, key: tuple[tuple[str, int], int]) -> bool:
        sender, sequence = key
        highest, bits = self._seen.get(sender, (0, 0))
        behind = highest - sequence
        if behind < 0:
            return False
        return behind >= self._window or bool(bits >> behind & 1)

    def add(self, sender: tuple[str, int], sequence: int) -> None:
        """Remember that ``sequence`` of ``sender`` (id, incarnation) was accepted."""
        highest, bits = self._seen.pop(sender, (0, 0))
        if sequence > highest:
            bits = bits << (sequence - highest) if sequence - highest < self._window else 0
            highest = sequence
        bits |= 1 << (highest - sequence)
        self._seen[sender] = highest, bits & ((1 << self._window) - 1)
        if len(self._seen) > self._senders:
            self._seen.popitem(last=False)
