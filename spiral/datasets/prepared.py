"""Where a set's pictures end up: in memory, or, where that is much, in files that are made once and mapped into memory.

A prepared view is a folder with `train.npy`, `test.npy` and, where it is held out, `validation.npy` (uint8
[N, H, W, C]), labels where there are any and `manifest.json`. It is made aside and renamed, so it is whole or not
there. Nothing but time is lost by deleting it.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import mmap
import os
import shutil
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import compress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from spiral.datasets.dataset import Dataset, Labels, Pictures, View
from spiral.datasets.reading import Checksum, Chunk, PictureReader
from spiral.datasets.splits import Split
from spiral.values import strict_json

# Below this a set is read anew by each process in seconds; above, several processes would each hold a copy of it.
IN_MEMORY_BYTES = 256 * 2**20
# Raised when the layout of a prepared view changes: older ones are then made anew.
_LAYOUT = 1
# Free space beyond what is written, so that preparing never fills a disk to the last byte.
_SPARE_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True)
class Cache:
    """Where prepared views may lie: the first of `folders` that can be written is used.

    Sets whose files and whose view take at most `in_memory_bytes` need none.
    """

    folders: tuple[Path, ...]
    in_memory_bytes: int = IN_MEMORY_BYTES


def collect(reader: PictureReader, view: View, cache: Cache | None, hold_out_validation: bool = False) -> Dataset:
    """Read a set into memory, or map its prepared view, which is made first where there is none.

    Validation pictures are held out of those for training where that is asked for, else they stay among them. Without a
    cache it is always memory. Raises ValueError for damage, an empty split or where nothing can be written.
    """
    view_bytes = reader.count * view.height * view.width * view.channels
    if cache is None or max(view_bytes, reader.source_bytes) <= cache.in_memory_bytes:
        return _in_memory(reader, view, hold_out_validation)
    key = f"{reader.name}\0{reader.fingerprint}\0{view.height}×{view.width}×{view.channels}\0{_LAYOUT}"
    splits: tuple[Split, ...] = ("train", "test")
    if hold_out_validation:
        key, splits = f"{key}\0validation", ("train", "validation", "test")
    name = f"{view.height}x{view.width}x{view.channels}-{hashlib.sha256(key.encode()).hexdigest()[:24]}"
    for folder in cache.folders:
        if (found := _mapped(reader, folder / name, splits)) is not None:
            return found
    home = _writable(cache.folders, reader.name, view_bytes)
    with _alone(home / f"{name}.lock"):  # two services load the same set at the same moment
        if (found := _mapped(reader, home / name, splits)) is None:
            _prepare(reader, view, home / name, splits)
            found = _mapped(reader, home / name, splits)
    if found is None:
        raise ValueError(f"{home / name}: was prepared and cannot be read back; the disk is at fault")
    return found


def _in_memory(reader: PictureReader, view: View, hold_out_validation: bool) -> Dataset:
    pictures = np.empty((reader.count, view.height, view.width, view.channels), np.uint8)
    chosen: dict[Split, NDArray[np.bool_]] = {
        "train": np.empty(reader.count, np.bool_),
        "test": np.empty(reader.count, np.bool_),
    }
    if hold_out_validation:
        chosen["validation"] = np.empty(reader.count, np.bool_)
    labels: list[NDArray[np.int64]] = []
    checksum, content = Checksum(), _Content()
    done = 0
    for chunk in reader.chunks():
        rows = slice(done, done + len(chunk.pictures))
        pictures[rows] = chunk.pictures
        for split, of_split in chosen.items():
            of_split[rows] = _of_split(chunk, split, hold_out_validation)
        labels += [] if chunk.labels is None else [chunk.labels]
        checksum.add(chunk.digests)
        content.add(chunk, hold_out_validation)
        done = rows.stop
    all_labels = np.concatenate(labels) if labels else None
    return _dataset(
        reader,
        {split: pictures[:done][of_split[:done]] for split, of_split in chosen.items()},
        {} if all_labels is None else {split: all_labels[of_split[:done]] for split, of_split in chosen.items()},
        checksum.hex,
        content.shared,
    )


def _of_split(chunk: Chunk, split: Split, hold_out_validation: bool) -> NDArray[np.bool_]:
    """Which pictures of a chunk belong to a split: bool [n]."""
    if split == "test":
        return chunk.test
    validation: NDArray[np.bool_] = chunk.validation & hold_out_validation
    return validation if split == "validation" else ~chunk.test & ~validation


class _Content:
    """Which pictures each split has, by their SHA-256."""

    def __init__(self) -> None:
        self._of: dict[Split, set[bytes]] = {"train": set(), "validation": set(), "test": set()}

    def add(self, chunk: Chunk, hold_out_validation: bool) -> None:
        for split, known in self._of.items():
            known.update(compress(chunk.digests, _of_split(chunk, split, hold_out_validation)))

    @property
    def shared(self) -> dict[Split, int]:
        """Pictures of each other split that are in the training split, too: none, unless a file says so that names the
        splits."""
        train = self._of["train"]
        return {split: len(train & self._of[split]) for split in ("test", "validation")}


def _dataset(
    reader: PictureReader,
    pictures: Mapping[Split, Pictures],
    labels: Mapping[Split, Labels],
    checksum: str,
    shared: Mapping[Split, int],
) -> Dataset:
    return Dataset(
        reader.name,
        pictures["train"],
        pictures["test"],
        labels.get("train"),
        labels.get("test"),
        reader.source,
        reader.licence,
        checksum,
        tuple(
            f"{split} pictures that the training split has, too: {count}; figures that are measured on them flatter"
            for split, count in shared.items()
            if count
        ),
        pictures.get("validation"),
        labels.get("validation"),
    )


def _mapped(reader: PictureReader, folder: Path, splits: Sequence[Split]) -> Dataset | None:
    """The prepared view in `folder`, or None if it is not there or not whole."""
    try:
        manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
        pictures = {split: _map(folder / f"{split}.npy") for split in splits}
        labels = {
            split: np.load(folder / f"{split}_labels.npy", allow_pickle=False) for split in splits if manifest["labels"]
        }
        checksum = str(manifest["checksum"])
        shared: dict[Split, int] = {
            "test": int(manifest.get("shared", 0)),
            "validation": int(manifest.get("shared_validation", 0)),
        }
    except (OSError, ValueError, KeyError, EOFError):
        return None
    return _dataset(reader, pictures, labels, checksum, shared)


def _map(path: Path) -> NDArray[np.uint8]:
    mapped = np.load(path, mmap_mode="r", allow_pickle=False)
    if isinstance(underlying := mapped._mmap, mmap.mmap):
        # Batches are drawn at random: what the system would read ahead is read for nothing.
        underlying.madvise(mmap.MADV_RANDOM)
    plain: NDArray[np.uint8] = np.asarray(mapped)  # indexing the subclass costs several times as much
    return plain


def _writable(folders: tuple[Path, ...], name: str, needed: int) -> Path:
    faults = []
    for folder in folders:
        try:
            above = next(parent for parent in (folder, *folder.parents) if parent.exists())
            if not above.stat().st_mode & stat.S_IWUSR:  # the administrator could, but was asked not to
                raise PermissionError(13, "read-only")
            folder.mkdir(parents=True, exist_ok=True)
            if not os.access(folder, os.W_OK):
                raise PermissionError(13, "read-only")
            if (free := shutil.disk_usage(folder).free) < needed + _SPARE_BYTES:
                raise OSError(28, f"{free // 2**20} MiB free, {(needed + _SPARE_BYTES) // 2**20} MiB needed")
        except OSError as error:
            faults.append(f"{folder}: {error.strerror or error}")
        else:
            return folder
    raise ValueError(
        f"{name}: there is no room for its prepared pictures ({'; '.join(faults)}); name a folder with SPIRAL_CACHE"
    )


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _prepare(reader: PictureReader, view: View, folder: Path, splits: Sequence[Split]) -> None:
    aside = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(aside, ignore_errors=True)  # of one that was killed; the lock says that nobody is at it
    checksum, content, hold_out_validation = Checksum(), _Content(), "validation" in splits
    try:
        aside.mkdir()
        labels: dict[Split, list[NDArray[np.int64]]] = {split: [] for split in splits}
        with ExitStack() as opened:
            growing = {
                split: _Growing(opened.enter_context((aside / f"{split}.npy").open("w+b")), view) for split in splits
            }
            for chunk in reader.chunks():
                for split in splits:
                    chosen = _of_split(chunk, split, hold_out_validation)
                    growing[split].append(chunk.pictures[chosen])
                    if chunk.labels is not None:
                        labels[split].append(chunk.labels[chosen])
                checksum.add(chunk.digests)
                content.add(chunk, hold_out_validation)
            for split, file in growing.items():
                if not file.finish():
                    raise ValueError(f"{reader.name}: {split} has no pictures; expected at least one")
        for split, parts in labels.items():
            if parts:
                np.save(aside / f"{split}_labels.npy", np.concatenate(parts))
        manifest = {
            "name": reader.name,
            "checksum": checksum.hex,
            "labels": bool(labels["train"]),
            "shared": content.shared["test"],
            "shared_validation": content.shared["validation"],
        }
        (aside / "manifest.json").write_text(strict_json.exact(manifest) + "\n")
        shutil.rmtree(folder, ignore_errors=True)  # a damaged one
        os.replace(aside, folder)
    except OSError as error:
        raise ValueError(f"{folder}: cannot be written ({error.strerror or error})") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)


class _Growing:
    """A .npy file of pictures whose number is known at the end: numpy leaves room in the header for it."""

    def __init__(self, file: BinaryIO, view: View) -> None:
        self._file = file
        self._shape = (view.height, view.width, view.channels)
        self._count = 0
        self._header()

    def append(self, pictures: NDArray[np.uint8]) -> None:
        self._file.write(np.ascontiguousarray(pictures).data)
        self._count += len(pictures)

    def finish(self) -> int:
        """Make the file whole and safe on the disk; the number of its pictures."""
        self._file.seek(0)
        self._header()
        self._file.flush()
        os.fsync(self._file.fileno())
        return self._count

    def _header(self) -> None:
        fields: dict[str, Any] = {"descr": "|u1", "fortran_order": False, "shape": (self._count, *self._shape)}
        np.lib.format.write_array_header_1_0(self._file, fields)
