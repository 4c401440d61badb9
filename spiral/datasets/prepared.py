"""Where a set's pictures end up: in memory, or, where that is much, in files that are made once and mapped into memory.

A prepared view is a folder with `train.npy` and `test.npy` (uint8 [N, H, W, C]), labels where there are any and
`manifest.json`. It is made aside and renamed, so it is whole or not there. Nothing but time is lost by deleting it.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import mmap
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from spiral.datasets.dataset import Dataset, View
from spiral.datasets.reading import Checksum, Chunk, PictureReader
from spiral.values import strict_json

# Below this a set is read anew by each process in seconds; above, several processes would each hold a copy of it.
IN_MEMORY_BYTES = 256 * 2**20
# Raised when the layout of a prepared view changes: older ones are then made anew.
_LAYOUT = 1
_SPLITS = ("train", "test")
# Free space beyond what is written, so that preparing never fills a disk to the last byte.
_SPARE_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True)
class Cache:
    """Where prepared views may lie: the first of `folders` that can be written is used.

    Sets whose files and whose view take at most `in_memory_bytes` need none.
    """

    folders: tuple[Path, ...]
    in_memory_bytes: int = IN_MEMORY_BYTES


def collect(reader: PictureReader, view: View, cache: Cache | None) -> Dataset:
    """Read a set into memory, or map its prepared view, which is made first where there is none.

    Without a cache it is always memory. Raises ValueError for damage, an empty split or where nothing can be written.
    """
    view_bytes = reader.count * view.height * view.width * view.channels
    if cache is None or max(view_bytes, reader.source_bytes) <= cache.in_memory_bytes:
        return _in_memory(reader, view)
    key = f"{reader.name}\0{reader.fingerprint}\0{view.height}×{view.width}×{view.channels}\0{_LAYOUT}"
    name = f"{view.height}x{view.width}x{view.channels}-{hashlib.sha256(key.encode()).hexdigest()[:24]}"
    for folder in cache.folders:
        if (found := _mapped(reader, folder / name)) is not None:
            return found
    home = _writable(cache.folders, reader.name, view_bytes)
    with _alone(home / f"{name}.lock"):  # two services load the same set at the same moment
        if (found := _mapped(reader, home / name)) is None:
            _prepare(reader, view, home / name)
            found = _mapped(reader, home / name)
    if found is None:
        raise ValueError(f"{home / name}: was prepared and cannot be read back; the disk is at fault")
    return found


def _in_memory(reader: PictureReader, view: View) -> Dataset:
    pictures = np.empty((reader.count, view.height, view.width, view.channels), np.uint8)
    test = np.empty(reader.count, np.bool_)
    labels: list[NDArray[np.int64]] = []
    checksum, sides = Checksum(), _Sides()
    done = 0
    for chunk in reader.chunks():
        rows = slice(done, done + len(chunk.pictures))
        pictures[rows], test[rows] = chunk.pictures, chunk.test
        labels += [] if chunk.labels is None else [chunk.labels]
        checksum.add(chunk.digests)
        sides.add(chunk)
        done = rows.stop
    pictures, test = pictures[:done], test[:done]
    all_labels = np.concatenate(labels) if labels else None
    return Dataset(
        reader.name,
        pictures[~test],
        pictures[test],
        None if all_labels is None else all_labels[~test],
        None if all_labels is None else all_labels[test],
        reader.source,
        reader.licence,
        checksum.hex,
        _notes(sides.shared),
    )


class _Sides:
    """Which pictures each split has, by their SHA-256."""

    def __init__(self) -> None:
        self._sides: tuple[set[bytes], set[bytes]] = (set(), set())

    def add(self, chunk: Chunk) -> None:
        for digest, test in zip(chunk.digests, chunk.test, strict=True):
            self._sides[bool(test)].add(digest)

    @property
    def shared(self) -> int:
        """Pictures that are in both: none, unless a file that names the splits says so."""
        return len(self._sides[0] & self._sides[1])


def _notes(shared: int) -> tuple[str, ...]:
    if not shared:
        return ()
    return (f"test pictures that the training split has, too: {shared}; figures that are measured on them flatter",)


def _mapped(reader: PictureReader, folder: Path) -> Dataset | None:
    """The prepared view in `folder`, or None where it is not there or not whole."""
    try:
        manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
        train, test = (_map(folder / f"{split}.npy") for split in _SPLITS)
        train_labels, test_labels = (
            np.load(folder / f"{split}_labels.npy", allow_pickle=False) if manifest["labels"] else None
            for split in _SPLITS
        )
        checksum, shared = manifest["checksum"], int(manifest.get("shared", 0))
    except (OSError, ValueError, KeyError, EOFError):
        return None
    return Dataset(
        reader.name,
        train,
        test,
        train_labels,
        test_labels,
        reader.source,
        reader.licence,
        str(checksum),
        _notes(shared),
    )


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


def _prepare(reader: PictureReader, view: View, folder: Path) -> None:
    aside = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(aside, ignore_errors=True)  # of one that was killed; the lock says that nobody is at it
    checksum, sides = Checksum(), _Sides()
    try:
        aside.mkdir()
        labels: dict[str, list[NDArray[np.int64]]] = {split: [] for split in _SPLITS}
        with ExitStack() as opened:
            growing = {
                split: _Growing(opened.enter_context((aside / f"{split}.npy").open("w+b")), view) for split in _SPLITS
            }
            for chunk in reader.chunks():
                for split, chosen in (("train", ~chunk.test), ("test", chunk.test)):
                    growing[split].append(chunk.pictures[chosen])
                    if chunk.labels is not None:
                        labels[split].append(chunk.labels[chosen])
                checksum.add(chunk.digests)
                sides.add(chunk)
            for split, file in growing.items():
                if not file.finish():
                    raise ValueError(f"{reader.name}: {split} has no pictures; at least one is needed")
        for split, parts in labels.items():
            if parts:
                np.save(aside / f"{split}_labels.npy", np.concatenate(parts))
        manifest = {
            "name": reader.name,
            "checksum": checksum.hex,
            "labels": bool(labels["train"]),
            "shared": sides.shared,
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
