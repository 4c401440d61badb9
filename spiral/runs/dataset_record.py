"""The record of a run's data set, in its directory: the number of pictures, their checksum, and each file of a folder.

The discriminator, which owns the data, writes it at each start and reports what differs from the start before. Data is
identified by number and SHA-256, not by path: a run that is resumed elsewhere continues with its own pictures, changed
pictures are reported, and a folder that moved is recognized. A model contains names and checksums, but no path of its
owner.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from spiral.configuration.paths import PREFIX
from spiral.datasets import Dataset
from spiral.datasets.decoding import SUFFIXES
from spiral.datasets.trees import open_tree
from spiral.runs.directory import Run
from spiral.values.atomic_file import atomic_write

NAMED = 5
"""At most this many of the files that differ are named."""

# (bytes, time of the last change in nanoseconds, SHA-256): if the first two are unchanged, the file is not read.
FileState = tuple[int, int, str]


class PictureSet(BaseModel):
    """Pictures that a run has learned from."""

    model_config = ConfigDict(frozen=True)

    data: str
    """The data set as configured."""
    pictures: int
    """Number of pictures in all splits."""
    validation: int = 0
    """Number of pictures held out for validation; 0: the run learns from the whole training set."""
    sha256: str
    """SHA-256 of the pictures' content, hex; independent of the files' names."""


class Earlier(PictureSet):
    """The pictures before the data changed."""

    change: str
    """A sentence about what was different afterwards."""


class DatasetRecord(PictureSet):
    """The pictures that the run learns from now."""

    files: dict[str, FileState] = {}
    """Files of the user's own folder or zip, by name."""
    before: tuple[Earlier, ...] = ()
    """Earlier data, oldest first."""


def read(run: Run) -> DatasetRecord | None:
    """The stored record; None if there is none or it is damaged."""
    try:
        return DatasetRecord.model_validate_json(run.data_file.read_bytes())
    except (OSError, ValidationError):
        return None


def store(run: Run, data: str, dataset: Dataset, *, learnt: bool) -> str:
    """Store what a run learns from. Returns a sentence about what differs if it has ``learnt``; empty: nothing differs.

    Raises ValueError if ``data`` is a different folder with different pictures, OSError if nothing can be written.
    """
    known = read(run)
    files = _files(data, known.files if known is not None and known.data == data else {})
    validation = 0 if dataset.validation is None else len(dataset.validation)
    now = DatasetRecord(data=data, pictures=dataset.count, validation=validation, sha256=dataset.checksum, files=files)
    change = ""
    if known is not None and learnt:
        change = _change(known, now)
        if change and known.data != data:
            raise ValueError(f"data: {change}; set it back, or begin a new run")
        earlier = Earlier(**known.model_dump(include=set(PictureSet.model_fields)), change=change)
        now = now.model_copy(update={"before": (*known.before, earlier) if change else known.before})
    if now != known:
        run.path.mkdir(parents=True, exist_ok=True)
        with atomic_write(run.data_file) as aside:
            aside.write_text(now.model_dump_json(indent=1) + "\n", encoding="utf-8")
    return change


def same_files(run: Run, data: str) -> bool:
    """Whether a folder has the pictures that the run has learned from, whatever their names."""
    known = read(run)
    if known is None or not known.files:
        return False
    there = _files(data, {})
    return sorted(sha256 for *_, sha256 in there.values()) == sorted(sha256 for *_, sha256 in known.files.values())


def _files(data: str, known: Mapping[str, FileState]) -> dict[str, FileState]:
    """The files of the user's own folder or zip; empty for a named set, whose checksum is enough."""
    if not data.startswith(PREFIX):
        return {}
    tree = open_tree(Path(data.removeprefix(PREFIX)), SUFFIXES)
    found: dict[str, FileState] = {}
    for name in tree.names:
        state = tree.state(name)
        before = known.get(name)
        unchanged = before is not None and before[:2] == state
        found[name] = before if unchanged and before else (*state, hashlib.sha256(tree.read(name)).hexdigest())
    return found


def _change(before: DatasetRecord, now: DatasetRecord) -> str:
    if (before.sha256, before.pictures) == (now.sha256, now.pictures):
        return ""
    counts = f"{before.pictures:,} pictures then (sha256 {before.sha256[:12]}…), {now.pictures:,} now"
    said = f"{now.data} is not what this run has learned from: {counts} (sha256 {now.sha256[:12]}…)"
    if not (before.files and now.files):
        return said
    changed = [name for name in now.files if name in before.files and before.files[name][2] != now.files[name][2]]
    parts = (
        *_named("new", [name for name in now.files if name not in before.files]),
        *_named("gone", [name for name in before.files if name not in now.files]),
        *_named("changed", changed),
    )
    return (
        f"{said}; files: {', '.join(parts)}" if parts else f"{said}; its files are the same, but are read differently"
    )


def _named(what: str, names: Sequence[str]) -> tuple[str, ...]:
    more = ", …" if len(names) > NAMED else ""
    return (f"{len(names):,} {what} ({', '.join(names[:NAMED])}{more})",) if names else ()
