"""What a mutant is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from spiral.wire.edges import Service


@dataclass(frozen=True, slots=True)
class Mutant:
    """A broken service."""

    service: Service
    name: str
    """What it does wrong."""
    caught_by: tuple[str, ...]
    """The case that it is for, and those of the same promise that see it too; no other may fail."""
    apply: Callable[[pytest.MonkeyPatch], object]
    """Breaks our service for as long as the patch holds, also one that runs already."""
    settings: tuple[str, ...] = ()
    """Settings of the run in which it is found, on top of the usual ones."""
    quick: bool = True
    """Found within a second or two by its case."""
