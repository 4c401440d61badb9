"""The result of an evaluation: figures with their intervals, a curve, and pictures to look at."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from spiral.datasets.splits import Split
from spiral.evaluation.bootstrap import LEVEL, RESAMPLES, Estimate

Better = Literal["lower", "higher", ""]


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number: its key in JSON, its label, and which direction is better (empty: neither).

    `values` are the figures of single runs if this is their mean.
    """

    key: str
    label: str
    estimate: Estimate
    better: Better
    values: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """An evaluation of `num` paintings of a run, drawn with `seed` at `temperature`, beside pictures of `split`.

    `curve` holds the mean squared error to the targets after 0, 1, 2, … strokes; empty without targets. `histogram`
    counts the digits that the classifier sees, empty if it is not used. `left_out` says what could not be measured, one
    sentence each. `painted` and `real` (of the split, or the targets) are uint8 [M, H, W, C] to look at.
    """

    run: str
    data: str
    frames: int
    num: int
    seed: int
    split: Split
    reference: str
    figures: tuple[Figure, ...]
    painted: NDArray[np.uint8]
    real: NDArray[np.uint8]
    conditional: bool
    curve: tuple[Estimate, ...] = ()
    histogram: tuple[int, ...] = ()
    left_out: tuple[str, ...] = field(default=())
    temperature: float = 1.0
    runs: tuple[str, ...] = ()
    """The names of the runs if it is a mean over runs; `n` of its figures and its curve is then their number."""
    marked: NDArray[np.uint8] | None = None
    """The targets with their objects marked as found or missed, uint8 [M, H', W', 3]; None if they are not known."""

    @property
    def title(self) -> str:
        """What was evaluated, in one line."""
        drawn = f", temperature {self.temperature:g}" if self.temperature != 1 else ""
        painted = f"{self.num:,} paintings after {self.frames:,} learned frames"
        return f"{self.run}: {painted}, {self.split} split, seed {self.seed}{drawn}"

    def __getitem__(self, key: str) -> Estimate:
        """The figure of that key; KeyError if it was not measured."""
        return {figure.key: figure.estimate for figure in self.figures}[key]

    def as_dict(self) -> dict[str, Any]:
        """The report as plain values for JSON."""
        return {
            "run": self.run,
            **({"runs": list(self.runs)} if self.runs else {}),
            "data": self.data,
            "frames": self.frames,
            "n": self.num,
            "seed": self.seed,
            "temperature": self.temperature,
            "split": self.split,
            "reference": self.reference,
            "level": LEVEL,
            "resamples": RESAMPLES,
            "figures": {
                figure.key: {
                    "what": figure.label,
                    "better": figure.better,
                    **_plain(figure.estimate),
                    **({"values": list(figure.values)} if figure.values else {}),
                }
                for figure in self.figures
            },
            "mse_after_strokes": [{"strokes": k, **_plain(error)} for k, error in enumerate(self.curve)],
            "class_histogram": list(self.histogram),
            "left_out": list(self.left_out),
        }


def _plain(found: Estimate) -> dict[str, float | int]:
    return {"value": found.value, "low": found.low, "high": found.high, "n": found.n}


def rounded(found: Estimate) -> tuple[str, str]:
    """The value and its interval as text, with as many digits as the width of the interval justifies."""
    width = found.high - found.low
    size = width if width > 0 else abs(found.value)
    digits = 0 if size == 0 else int(np.clip(1 - np.floor(np.log10(size)), 0, 6))
    return f"{found.value:.{digits}f}", f"{found.low:.{digits}f} … {found.high:.{digits}f}"
