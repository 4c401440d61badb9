"""A result of examining a machine or a cluster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was examined."""

    subject: str
    state: Literal["good", "poor", "bad"]
    text: str
    fix: str = ""
    """What to do about it; empty if it is good."""
