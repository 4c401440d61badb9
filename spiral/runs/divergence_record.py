"""The record of a divergence: with the same settings, from the same checkpoint, the run would diverge again.

A service that gives up writes it beside its checkpoints. A start that would only repeat it ends with the same sentence.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from spiral.configuration.schema import RunConfig
from spiral.runs.manifests import MANIFEST, checkpoints_in
from spiral.values import strict_json
from spiral.values.atomic_file import atomic_write

FILE = "diverged.json"


class DivergenceRecord:
    """The record of one service, whose checkpoints are in ``directory``."""

    def __init__(self, directory: Path, config: RunConfig, precision: str) -> None:
        """``precision`` is the one that the service was asked for; another one may be the cure."""
        self._directory, self._file = directory, directory / FILE
        self._settings = hashlib.sha256(f"{config.to_yaml()}{precision}".encode()).hexdigest()

    def standing(self) -> str:
        """The sentence with which the run gave up, if a start would only repeat that; otherwise empty."""
        try:
            known = strict_json.read(self._file.read_bytes())
            same = known["settings"] == self._settings and known["checkpoint"] == self._checkpoint()
            return str(known["sentence"]) if same else ""
        except (OSError, ValueError, KeyError, TypeError):
            return ""

    def write(self, sentence: str) -> None:
        """Record that the run gave up; OSError if that can't be written."""
        known = {"sentence": sentence, "settings": self._settings, "checkpoint": self._checkpoint()}
        with atomic_write(self._file) as aside:
            aside.write_text(strict_json.exact(known, indent=1) + "\n", encoding="utf-8")

    def _checkpoint(self) -> str:
        """Digest of the newest checkpoint's manifest, which contains those of all its files; empty if there is none."""
        there = checkpoints_in(self._directory)
        return hashlib.sha256((there[-1] / MANIFEST).read_bytes()).hexdigest() if there else ""
