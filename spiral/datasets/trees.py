"""Files by name, whether they lie in a folder or in a zip."""

from __future__ import annotations

import hashlib
import os
import zipfile
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from spiral.datasets.dataset import Progress
from spiral.datasets.decoding import LARGEST_FILE_BYTES
from spiral.datasets.download import keep_aside
from spiral.datasets.walking import belongs, walk
from spiral.values.atomic_file import atomic_write

# One day stands for all: the same files give the same zip.
_FIXED_DATE = (1980, 1, 1, 0, 0, 0)
# Between two calls of the progress lie so many files: a call a file would cost more than copying it.
_FILES_A_CALL = 500
# Endings of pictures that are not read, so that nobody takes them for a part of the set.
_OTHER_PICTURES = (".avif", ".bmp", ".gif", ".heic", ".jfif", ".jp2", ".svg", ".tif", ".tiff", ".webp")
# Bit of a zip entry's flags.
_ENCRYPTED = 1
# How zips are compressed, by the numbers of the format.
_OTHER_METHODS = {9: "Deflate64", 93: "Zstandard", 95: "XZ", 98: "PPMd"}
_READ_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)


@dataclass(frozen=True, slots=True, eq=False)
class Tree:
    """Files below a folder or inside a zip.

    `names` are sorted, relative, with forward slashes; hidden files and folders do not belong to it. `fingerprint`
    changes where a file is added, removed or written; `total_bytes` is what all files take on the disk. `left_out`
    says, a sentence each, what lies there and can't be read as a picture.
    """

    path: Path
    names: tuple[str, ...]
    fingerprint: str
    total_bytes: int
    archive: zipfile.ZipFile | None = field(default=None)
    left_out: tuple[str, ...] = ()

    def read(self, name: str) -> bytes:
        """The content of one file. Raises ValueError that names it where it cannot be read or is damaged."""
        try:
            if self.archive is None:
                return (self.path / name).read_bytes()
            if (size := self.archive.getinfo(name).file_size) > LARGEST_FILE_BYTES:
                raise ValueError(f"{name} in {self.path} has {size} bytes; at most {LARGEST_FILE_BYTES} are read")
            return self.archive.read(name)
        except OSError as error:
            raise ValueError(f"{self.path / name}: cannot be read ({error.strerror or error})") from error
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
            raise ValueError(f"{name} in {self.path} is damaged ({error}); get the zip again") from error

    def state(self, name: str) -> tuple[int, int]:
        """Size of one file, bytes, and the time when it or its zip was last written, ns; OSError if it is gone."""
        if self.archive is None:
            found = os.stat(f"{self.path}/{name}")
            return found.st_size, found.st_mtime_ns
        return self.archive.getinfo(name).file_size, self.path.stat().st_mtime_ns

    def below(self, folder: str) -> tuple[str, ...]:
        """The names that have `folder` among their folders."""
        return tuple(name for name in self.names if folder in PurePosixPath(name).parts[:-1])


def is_tree(path: Path) -> bool:
    """Whether there is a folder or a zip at `path`, by the look of it: nothing is read."""
    return path.is_dir() or (path.suffix.lower() == ".zip" and path.is_file())


def why_not_a_tree(path: Path) -> str:
    """Say why `path`, at which there is no tree, is none, and what to do about it."""
    if path.is_file():
        return f"{path} is a file; only folders and .zip archives are read. Unpack it, and name the folder"
    if path.is_symlink():
        return f"{path} is a link to {os.readlink(path)}, which does not exist"
    return f"{path} does not exist"


def open_tree(path: Path, suffixes: Sequence[str]) -> Tree:
    """List the files with one of the `suffixes` (lower case, with dot) below a folder or in a zip.

    Raises ValueError if there is neither or the zip is damaged.
    """
    if path.is_dir():
        return _folder(path, tuple(suffixes))
    if path.is_file():
        return _zip(path, tuple(suffixes))
    raise ValueError(f"{path}: there is no such folder or zip")


def pack(tree: Tree, names: Sequence[str], target: Path, progress: Progress) -> None:
    """Write files of a tree into a zip, aside and then renamed. Raises ValueError if one cannot be read or written.

    They are stored as they are: picture files do not get smaller.
    """
    done = 0
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(target) as aside:
            with zipfile.ZipFile(aside, "w", zipfile.ZIP_STORED) as archive:
                for index, name in enumerate(names, 1):
                    content = tree.read(name)
                    archive.writestr(zipfile.ZipInfo(name, _FIXED_DATE), content)
                    done += len(content)
                    if index % _FILES_A_CALL == 0 or index == len(names):
                        progress(target.name, done, None)
            keep_aside(target)
    except OSError as error:
        raise ValueError(f"{target}: cannot be written ({error.strerror or error})") from error


def _folder(path: Path, suffixes: tuple[str, ...]) -> Tree:
    mark = hashlib.sha256()
    total = 0
    found = walk(path)
    names = tuple(name for name in found.files if name.lower().endswith(suffixes))
    for name in names:
        state = os.stat(f"{path}/{name}")
        total += state.st_size
        mark.update(f"{name}\0{state.st_size}\0{state.st_mtime_ns}\n".encode())
    return Tree(path, names, mark.hexdigest(), total, left_out=found.left_out + _other_pictures(found.files))


def _zip(path: Path, suffixes: tuple[str, ...]) -> Tree:
    try:
        archive = zipfile.ZipFile(path)
    except zipfile.BadZipFile as error:
        raise ValueError(f"{path}: not a zip or a truncated one ({error}); get it again") from error
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror or error})") from error
    files = sorted(name for name in archive.namelist() if belongs(name))
    names = tuple(name for name in files if name.lower().endswith(suffixes))
    _refuse_unread(path, archive, names)
    found = path.stat()
    mark = hashlib.sha256(f"{found.st_size}\0{found.st_mtime_ns}".encode())
    return Tree(path, names, mark.hexdigest(), found.st_size, archive, _other_pictures(files))


def _refuse_unread(path: Path, archive: zipfile.ZipFile, names: Sequence[str]) -> None:
    """Raise ValueError if a whole zip is of a kind that Python does not unpack: it would not get better."""
    for name in names:
        entry = archive.getinfo(name)
        if entry.flag_bits & _ENCRYPTED:
            problem = "is protected by a password"
        elif entry.compress_type not in _READ_METHODS:
            problem = f"is compressed by {_OTHER_METHODS.get(entry.compress_type, f'method {entry.compress_type}')}"
        else:
            continue
        raise ValueError(f"{path}: {name} {problem}, which is not read here. Unpack it, and name the folder")


def _other_pictures(names: Sequence[str]) -> tuple[str, ...]:
    counts = Counter(PurePosixPath(name).suffix.lower() for name in names)
    others = [f"{counts[suffix]} {suffix}" for suffix in _OTHER_PICTURES if counts[suffix]]
    return (f"pictures that are neither PNG nor JPEG are left out: {', '.join(others)}",) if others else ()
