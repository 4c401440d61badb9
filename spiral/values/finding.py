"""What an examination of this machine has found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    subject: str
    state: Literal["good", "poor", "bad"]
    text: str
    fix: str = ""
    """What to do about it; empty where it is good."""
