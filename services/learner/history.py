"""The learning curve: one JSON object a line in the run's directory, and TensorBoard events beside it."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tensorboardX.proto.event_pb2 import Event
from tensorboardX.proto.summary_pb2 import Summary
from tensorboardX.record_writer import masked_crc32c

from spiral import strict_json

BUFFER_BYTES = 1 << 20
"""What can't be written yet waits in so much memory: the records of hours."""


class History:
    """Appends records to ``history.jsonl`` and their numbers to TensorBoard event files.

    Both are written where they are called for. The library's own ``SummaryWriter`` has a thread for it, which ends at
    the first full disk, and then a queue that blocks whoever writes for ever.
    """

    def __init__(self, file: Path, events: Path, clock: Callable[[], float] = time.time) -> None:
        """``clock`` tells seconds since 1970, which TensorBoard shows."""
        self._clock = clock
        self._file = file.open("ab", BUFFER_BYTES)
        events.mkdir(parents=True, exist_ok=True)
        name = f"events.out.tfevents.{clock():.0f}.{socket.gethostname()}"
        self._events = (events / name).open("ab", BUFFER_BYTES)
        self._add(Event(wall_time=clock(), file_version="brain.Event:2"))

    def write(self, record: Mapping[str, Any]) -> None:
        """Append one record; ``record["frames"]`` is the abscissa of the events.

        OSError where it can't be written now: then it is written with the next one that can.
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
        """As TensorFlow's records are: length, checksum of it, content, checksum of that."""
        content = event.SerializeToString()
        length = struct.pack("<Q", len(content))
        sums = (struct.pack("<I", masked_crc32c(part)) for part in (length, content))
        self._events.write(length + next(sums) + content + next(sums))


def _flat(record: Mapping[str, Any], prefix: str = "") -> list[tuple[str, float]]:
    """Numbers of nested mappings under names with slashes."""
    flat: list[tuple[str, float]] = []
    for name, value in record.items():
        if isinstance(value, Mapping):
            flat += _flat(value, f"{prefix}{name}/")
        elif isinstance(value, int | float):
            flat.append((prefix + name, float(value)))
    return flat
