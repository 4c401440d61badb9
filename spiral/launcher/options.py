"""The options of ``spiral train``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from spiral.runs.limits import Limits


@dataclass(frozen=True, slots=True)
class Computing:
    """Device and precision of learner and discriminator, as their options name them."""

    device: str = "auto"
    precision: str = "auto"


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """What the user asked for; None: not given."""

    runs: Path
    """Folder of all runs."""
    preset: str | None = None
    """None: the run's own, or ``demo`` for a new one. A file is read at every start, a named preset at the first."""
    name: str | None = None
    """None: the preset's name."""
    settings: Sequence[str] = ()
    """``key=value``, each on top of the preset or the stored configuration."""
    minutes: float | None = None
    """Time limit of this start, minutes."""
    frames: int | None = None
    """Limit of learned frames over the whole run."""
    in_process: bool = False
    fresh: bool = False
    restart_schedule: bool = False
    """Schedules that fall over the run begin again."""
    model: Path | None = None
    """Folder of the model whose weights and configuration a new run begins with."""
    threads: Sequence[str] = ()
    """``service=count``."""
    computing: Computing = field(default_factory=Computing)
    paintings: int = 4096
    """Paintings for the evaluation at the end; 0: no evaluation."""

    @property
    def limits(self) -> Limits:
        """When the run is over."""
        return Limits(self.frames, self.minutes)
