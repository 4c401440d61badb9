"""The inputs that are kept of each target, one archive a target: what a fuzzer reached, and the first ones.

``python -m tests.fuzz.corpus program /tmp/fuzz/program/*`` adds files to a target's archive.
"""

from __future__ import annotations

import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

FOLDER = Path(__file__).with_name("corpus")


def names() -> set[str]:
    """The targets that have an archive."""
    return {archive.stem for archive in FOLDER.iterdir()}


def read(target: str) -> dict[str, bytes]:
    """The inputs of a target by name, in the order of their names; none where it has no archive yet."""
    path = FOLDER / f"{target}.zip"
    if not path.exists():
        return {}
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in sorted(archive.namelist())}


def add(target: str, inputs: Mapping[str, bytes]) -> None:
    """Keep more inputs. The same inputs always make the same archive, whoever packs it and when."""
    kept = {**read(target), **inputs}
    FOLDER.mkdir(exist_ok=True)
    with zipfile.ZipFile(FOLDER / f"{target}.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name in sorted(kept):
            archive.writestr(zipfile.ZipInfo(name), kept[name], zipfile.ZIP_DEFLATED)


if __name__ == "__main__":
    add(sys.argv[1], {path.name: path.read_bytes() for path in map(Path, sys.argv[2:])})
