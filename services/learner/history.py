"""The learning curve: one JSON object a line in the run's directory, and TensorBoard events beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tensorboardX import SummaryWriter


class History:
    """Appends records to ``history.jsonl`` and their numbers to TensorBoard event files."""

    def __init__(self, file: Path, events: Path) -> None:
        self._file = file.open("a", buffering=1)
        self._events = SummaryWriter(str(events), flush_secs=10)

    def write(self, record: Mapping[str, Any]) -> None:
        """Append one record; ``record["frames"]`` is the abscissa of the events."""
        self._file.write(json.dumps(record) + "\n")
        for name, value in _flat(record):
            self._events.add_scalar(name, value, global_step=record["frames"])

    def close(self) -> None:
        """Flush and close both."""
        self._file.close()
        self._events.close()


def _flat(record: Mapping[str, Any], prefix: str = "") -> list[tuple[str, float]]:
    """Numbers of nested mappings under names with slashes."""
    flat: list[tuple[str, float]] = []
    for name, value in record.items():
        if isinstance(value, Mapping):
            flat += _flat(value, f"{prefix}{name}/")
        elif isinstance(value, int | float):
            flat.append((prefix + name, float(value)))
    return flat
