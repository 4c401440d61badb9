"""What ``spiral train`` is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from spiral.runs.limits import Limits


@dataclass(frozen=True, slots=True)
class Computing:
    """What learner and discriminator compute on and in, in the words of their options."""

    device: str = "auto"
    precision: str = "auto"


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """What the user asks for; None: not said."""

    runs: Path
    """Folder of all runs."""
    preset: str | None = None
    """None: the run's own, or ``demo`` for a new one. A file is read at every start, a named preset at the first."""
    name: str | None = None
    """None: the preset's name."""
    settings: Sequence[str] = ()
    """``key=value``, each on top of the preset or the stored configuration."""
    minutes: float | None = None
    """Limit of minutes of this start."""
    frames: int | None = None
    """Limit of frames over the whole run."""
    in_process: bool = False
    fresh: bool = False
    restart_schedule: bool = False
    """What falls over the run is to begin anew."""
    model: Path | None = None
    """Folder of the model whose weights and configuration a new run begins with."""
    threads: Sequence[str] = ()
    """``service=count``."""
    computing: Computing = field(default_factory=Computing)
    paintings: int = 4096
    """Paintings evaluated at the end; 0: none."""

    @property
    def limits(self) -> Limits:
        """When the run is over."""
        return Limits(self.frames, self.minutes)
