"""Files by name, whether they lie in a folder or in a zip."""

from __future__ import annotations

import hashlib
import os
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from spiral.datasets.dataset import Progress
from spiral.datasets.download import keep_aside

# A picture file beyond this is damage or a trap: a zip may promise anything.
LARGEST_FILE_BYTES = 256 * 2**20
# Folders that programs leave beside a user's own files.
_FOREIGN = "__MACOSX"
# One day stands for all: the same files give the same zip.
_FIXED_DATE = (1980, 1, 1, 0, 0, 0)
# Between two calls of the progress lie so many files: a call a file would cost more than copying it.
_FILES_A_CALL = 500


@dataclass(frozen=True, slots=True, eq=False)
class Tree:
    """Files below a folder or inside a zip.

    `names` are sorted, relative, with forward slashes; hidden files and folders do not belong to it. `fingerprint`
    changes where a file is added, removed or written; `total_bytes` is what all files take on the disk.
    """

    path: Path
    names: tuple[str, ...]
    fingerprint: str
    total_bytes: int
    archive: zipfile.ZipFile | None = field(default=None)

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

    def below(self, folder: str) -> tuple[str, ...]:
        """The names that have `folder` among their folders."""
        return tuple(name for name in self.names if folder in PurePosixPath(name).parts[:-1])


def is_tree(path: Path) -> bool:
    """Whether there is a folder or a zip at `path`, by the look of it: nothing is read."""
    return path.is_dir() or (path.suffix.lower() == ".zip" and path.is_file())


def open_tree(path: Path, suffixes: Sequence[str]) -> Tree:
    """List the files with one of the `suffixes` (lower case, with dot) below a folder or in a zip.

    Raises ValueError where there is neither or the zip is damaged.
    """
    if path.is_dir():
        return _folder(path, tuple(suffixes))
    if path.is_file():
        return _zip(path, tuple(suffixes))
    raise ValueError(f"{path}: there is no such folder or zip")


def pack(tree: Tree, names: Sequence[str], target: Path, progress: Progress) -> None:
    """Write files of a tree into a zip, aside and then renamed. Raises ValueError where one cannot be read or written.

    They are stored as they are: picture files do not get smaller.
    """
    part = target.with_name(target.name + ".part")
    done = 0
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(part, "w", zipfile.ZIP_STORED) as archive:
            for index, name in enumerate(names, 1):
                content = tree.read(name)
                archive.writestr(zipfile.ZipInfo(name, _FIXED_DATE), content)
                done += len(content)
                if index % _FILES_A_CALL == 0 or index == len(names):
                    progress(target.name, done, None)
        keep_aside(target)
        os.replace(part, target)
    except OSError as error:
        raise ValueError(f"{target}: cannot be written ({error.strerror or error})") from error
    finally:
        part.unlink(missing_ok=True)


def _folder(path: Path, suffixes: tuple[str, ...]) -> Tree:
    mark = hashlib.sha256()
    names: list[str] = []
    total = 0
    for file in sorted(path.rglob("*")):
        name = file.relative_to(path).as_posix()
        if not _belongs(name, suffixes) or not file.is_file():
            continue
        found = file.stat()
        names.append(name)
        total += found.st_size
        mark.update(f"{name}\0{found.st_size}\0{found.st_mtime_ns}\n".encode())
    return Tree(path, tuple(names), mark.hexdigest(), total)


def _zip(path: Path, suffixes: tuple[str, ...]) -> Tree:
    try:
        archive = zipfile.ZipFile(path)
    except zipfile.BadZipFile as error:
        raise ValueError(f"{path}: not a zip or a truncated one ({error}); get it again") from error
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror or error})") from error
    names = tuple(sorted(name for name in archive.namelist() if _belongs(name, suffixes)))
    found = path.stat()
    mark = hashlib.sha256(f"{found.st_size}\0{found.st_mtime_ns}".encode())
    return Tree(path, names, mark.hexdigest(), found.st_size, archive)


def _belongs(name: str, suffixes: tuple[str, ...]) -> bool:
    parts = PurePosixPath(name).parts
    return name.lower().endswith(suffixes) and not any(part.startswith(".") or part == _FOREIGN for part in parts)
