"""The learning curve: one JSON object per line in the run's directory, and TensorBoard events beside it."""

from __future__ import annotations

import json
import logging
import socket
import struct
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.proto.summary_pb2 import Summary
from tensorboardX.record_writer import masked_crc32c

from spiral.values import strict_json
from spiral.values.atomic_file import atomic_write

BUFFER_BYTES = 1 << 20
"""Most memory for records that can't be written yet; it holds hours of them."""
LOST = "history-lost.jsonl"
"""File beside the history with the records of learning that was lost: beyond the checkpoint that a start resumed."""

_log = logging.getLogger(__name__)


class History:
    """Appends records to ``history.jsonl`` and their numbers to TensorBoard event files.

    Both are written in the caller's thread. The library's own ``SummaryWriter`` has a thread that ends at the first
    full disk; then its queue blocks every writer forever.
    """

    def __init__(
        self, file: Path, events: Path, frames: int | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        """``clock`` returns seconds since 1970, which TensorBoard shows.

        The run continues after ``frames``: records beyond that go to ``history-lost.jsonl``, and TensorBoard is told to
        drop their events. None: all are kept.
        """
        self._clock = clock
        if frames is not None:
            try:
                cut_back(file, frames)
            except OSError as error:  # a full disk is no reason not to learn
                _log.warning("the learning curve is not cut back to %s frames: %s", f"{frames:,}", error)
        self._file = file.open("ab", BUFFER_BYTES)
        events.mkdir(parents=True, exist_ok=True)
        name = f"events.out.tfevents.{clock():.0f}.{socket.gethostname()}"
        self._events = (events / name).open("ab", BUFFER_BYTES)
        self._add(Event(wall_time=clock(), file_version="brain.Event:2"))
        if frames is not None:
            # As a SummaryWriter with purge_step: events of other files from this step on are lost.
            self._add(Event(wall_time=clock(), step=frames + 1, session_log=SessionLog(status=SessionLog.START)))

    def write(self, record: Mapping[str, Any]) -> None:
        """Append one record; ``record["frames"]`` is the x value of the events.

        OSError if it can't be written now; it is then written together with the next record that can be.
        """
        values = [Summary.Value(tag=name, simple_value=value) for name, value in _flat(record)]
        self._add(Event(wall_time=self._clock(), step=record["frames"], summary=Summary(value=values)))
        self._file.write(strict_json.report(record).encode() + b"\n")
        self._file.flush()
        self._events.flush()

    def close(self) -> None:
        """Flush and close both."""
        self._file.close()
        self._events.close()

    def _add(self, event: Event) -> None:
        """Write an event as a TensorFlow record: length, checksum of the length, content, checksum of the content."""
        content = event.SerializeToString()
        length = struct.pack("<Q", len(content))
        sums = (struct.pack("<I", masked_crc32c(part)) for part in (length, content))
        self._events.write(length + next(sums) + content + next(sums))


def cut_back(file: Path, frames: int) -> None:
    """Move records of lost learning to ``history-lost.jsonl``; the history file is replaced as a whole.

    A record is lost if it is beyond ``frames``, if a later record has fewer frames, or if its line is torn.
    """
    try:
        lines = file.read_bytes().splitlines()
    except FileNotFoundError:
        return
    kept: list[tuple[int, int]] = []
    """Position and frames of the lines that stay."""
    for place, line in enumerate(lines):
        found = _frames(line)
        if found is None or found > frames:
            continue
        while kept and kept[-1][1] > found:
            kept.pop()
        kept.append((place, found))
    stays = {place for place, _ in kept}
    if len(stays) == len(lines):
        return
    with file.with_name(LOST).open("ab") as lost:
        lost.writelines(line + b"\n" for place, line in enumerate(lines) if place not in stays)
    with atomic_write(file) as aside:
        aside.write_bytes(b"".join(lines[place] + b"\n" for place, _ in kept))
    _log.info("%d records of learning that was lost are kept in %s", len(lines) - len(stays), LOST)


def _frames(line: bytes) -> int | None:
    """Frames of a record, also of an older release, whose measures may be ``NaN``; None if the line is no record."""
    try:
        return int(json.loads(line)["frames"])
    except (ValueError, KeyError, TypeError):
        return None


def _flat(record: Mapping[str, Any], prefix: str = "") -> list[tuple[str, float]]:
    """The numbers in nested mappings, under names joined by slashes."""
    flat: list[tuple[str, float]] = []
    for name, value in record.items():
        if isinstance(value, Mapping):
            flat += _flat(value, f"{prefix}{name}/")
        elif isinstance(value, int | float):
            flat.append((prefix + name, float(value)))
    return flat
