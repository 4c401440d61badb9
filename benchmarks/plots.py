"""Lines of numbers as a picture."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from spiral.values.atomic_file import atomic_write


def save_lines(
    path: Path, lines: Mapping[str, NDArray[np.floating]], x: NDArray[np.floating], x_label: str, y_label: str
) -> None:
    """A PNG with a line per name: the mean of its rows [R, P] over ``x`` [P], and a band from minimum to maximum."""
    figure = Figure(figsize=(7, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for name, rows in lines.items():
        (line,) = axes.plot(x, np.mean(rows, 0), label=name, linewidth=1.4)
        if len(rows) > 1:
            axes.fill_between(x, np.min(rows, 0), np.max(rows, 0), alpha=0.2, color=line.get_color())
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as aside:
        figure.savefig(aside, format="png", dpi=100)
