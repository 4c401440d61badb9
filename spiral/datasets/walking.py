"""All files below a folder, links followed: each folder once, so that links may lead in circles."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

# Folders that programs leave beside a user's own files.
_FOREIGN = "__MACOSX"
# So many names are given of what is left out.
_NAMED = 5


@dataclass(frozen=True, slots=True)
class Walked:
    """`files` are sorted by folder, relative, with forward slashes; `left_out` says what can't be read, if anything."""

    files: tuple[str, ...]
    left_out: tuple[str, ...]


def belongs(name: str) -> bool:
    """Whether a relative name is neither hidden nor in a folder that a program left there."""
    return all(part == "." or _belongs(part) for part in name.split("/"))


def _belongs(part: str) -> bool:
    return not part.startswith(".") and part != _FOREIGN


def walk(root: Path) -> Walked:
    """List the files below `root`. Raises ValueError if `root` itself can't be opened.

    A link is followed, except to a folder that was listed already or that holds `root`. Folders come before links to
    them, so that a file's name does not depend on a link that somebody adds.
    """
    files: list[str] = []
    nowhere: list[str] = []
    around: list[str] = []
    closed: list[str] = []
    above = {_identity(parent) for parent in root.resolve().parents}
    listed = {_identity(root)}
    folders, links = deque([""]), deque[str]()
    while folders or links:
        name = folders.popleft() if folders else links.popleft()
        try:
            if name:
                identity = _identity(root / name)
                if identity in above:
                    around.append(name)
                    continue
                if identity in listed:
                    continue
                listed.add(identity)
            with os.scandir(root / name) as entries:
                for entry in entries:
                    inner = f"{name}/{entry.name}" if name else entry.name
                    if not _belongs(entry.name):
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(inner)
                    elif entry.is_file(follow_symlinks=False) or os.path.isfile(entry):
                        files.append(inner)
                    elif os.path.isdir(entry):
                        links.append(inner)
                    elif entry.is_symlink():
                        nowhere.append(inner)
        except OSError as error:
            if not name:
                raise ValueError(f"{root}: cannot be read ({error.strerror or error})") from error
            closed.append(name)
    left_out = (
        *_sentence("links that lead nowhere", nowhere),
        *_sentence("links to a folder that holds this one", around),
        *_sentence("folders that cannot be opened", closed),
    )
    return Walked(tuple(sorted(files, key=lambda name: name.split("/"))), left_out)


def _identity(folder: Path) -> tuple[int, int]:
    found = folder.stat()
    return found.st_dev, found.st_ino


def _sentence(what: str, names: Sequence[str]) -> tuple[str, ...]:
    if not names:
        return ()
    more = ", …" if len(names) > _NAMED else ""
    return (f"{what} are left out: {len(names)} ({', '.join(sorted(names)[:_NAMED])}{more})",)
