"""Records which files in a user's folder a command wrote, so that nothing else is deleted or overwritten unasked.

    refuse_to_overwrite([out], overwrite)  # before any work is done
    …                                      # write the file
    remember([out])

Each folder that a command writes into has a manifest, ``.spiral-outputs.json``, with the name and SHA-256 of each such
file. A file is ours as long as it has that digest; if the user edits or replaces it, it is the user's.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from spiral.values import strict_json
from spiral.values.atomic_file import atomic_write

MANIFEST = ".spiral-outputs.json"
FORMAT = 1
NAMED = 3
"""Files that a refusal names; the others are only counted."""


def ours(folder: Path) -> set[str]:
    """The names of files in ``folder`` that commands wrote and nobody has changed since."""
    return {name for name, digest in _read(folder).items() if _digest(folder / name) == digest}


def refuse_to_overwrite(paths: Sequence[Path], overwrite: bool = False, option: str = "out") -> None:
    """Raise ValueError if a file exists and is not known to be ours, unless ``overwrite``, or if it is a folder."""
    for path in paths:
        if path.is_dir():
            raise ValueError(f"{option}: {path} is a folder; expected a file")
    if overwrite:
        return
    lost: list[Path] = []
    for folder in dict.fromkeys(path.parent for path in paths):
        there = [path for path in paths if path.parent == folder and path.exists()]
        mine = ours(folder) if there else set()
        lost += [path for path in there if path.name not in mine]
    if lost:
        more = f" and {len(lost) - NAMED:,} more" if len(lost) > NAMED else ""
        raise ValueError(
            f"{option}: {', '.join(map(str, lost[:NAMED]))}{more} would be overwritten: not written by this program, "
            "or changed since; move what you want to keep, name another place, or add --overwrite"
        )


def remember(paths: Iterable[Path]) -> None:
    """Record that these files have just been written. OSError if the manifest can't be written."""
    paths = list(paths)
    for folder in dict.fromkeys(path.parent for path in paths):
        names = {path.name for path in paths if path.parent == folder}
        known = {name: digest for name, digest in _read(folder).items() if (folder / name).exists()}
        known |= {name: digest for name in names if (digest := _digest(folder / name))}
        with atomic_write(folder / MANIFEST) as aside:
            aside.write_text(
                strict_json.exact({"format": FORMAT, "sha256": dict(sorted(known.items()))}, indent=1) + "\n"
            )


def _read(folder: Path) -> dict[str, str]:
    """Digests by name; empty if there is no manifest that can be read."""
    try:
        tree = json.loads((folder / MANIFEST).read_bytes())
        if tree["format"] != FORMAT:
            return {}
        # A name that contains a path could lead out of the folder.
        return {name: digest for name, digest in tree["sha256"].items() if Path(name).name == name}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _digest(path: Path) -> str:
    """SHA-256 of a plain file; empty if there is none."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""
