"""Optional parts of the package, and how to install one that is missing."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path


def to_install(extra: str) -> str:
    """The shell command that adds ``extra`` (pyproject.toml) to this installation, a checkout or a wheel."""
    root = Path(__file__).resolve().parents[1]
    package = ["-e", f"{root}[{extra}]"] if (root / "pyproject.toml").is_file() else [f"spiral-painter[{extra}]"]
    return shlex.join([sys.executable, "-m", "pip", "install", *package])
