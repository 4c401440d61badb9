"""Verifies a checkpoint against its manifest; reads no tensor, needs no torch."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

from spiral.values import strict_json

FORMAT = 1
"""Format of a checkpoint; it is raised when an older reader would misunderstand a newer checkpoint."""
MANIFEST = "manifest.json"
CHECKPOINT_NAME = re.compile(r"checkpoint-(\d{8})")
"""Name of a checkpoint's directory, with its number."""


def checkpoints_in(directory: Path) -> list[Path]:
    """The checkpoints there, oldest first; something with such a name that is not a folder is not one."""
    return sorted(path for path in directory.iterdir() if CHECKPOINT_NAME.fullmatch(path.name) and path.is_dir())


def parse_json(content: bytes) -> Any:
    """Plain values; ValueError also if they are nested more deeply than this interpreter can parse."""
    try:
        return strict_json.read(content)
    except RecursionError as error:
        raise ValueError("its JSON is nested too deeply") from error


def read_verified(path: Path) -> dict[str, bytes]:
    """The content of all files of the checkpoint in ``path``, by name, each verified against the manifest.

    Raises OSError if one is missing, ValueError, KeyError or AttributeError if one is not what was written.
    """
    manifest = parse_json((path / MANIFEST).read_bytes())
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise ValueError(f"its manifest is not of format {FORMAT}")
    contents: dict[str, bytes] = {}
    for name, expected in manifest["sha256"].items():
        if Path(name).name != name:
            raise ValueError(f'its manifest names "{name}", which is no file of it')
        contents[name] = (path / name).read_bytes()
        actual = hashlib.sha256(contents[name]).hexdigest()
        if actual != expected:
            raise ValueError(
                f"{name} ({len(contents[name])} bytes) has the SHA-256 {actual[:12]}…, written was {expected[:12]}…"
            )
    return contents
