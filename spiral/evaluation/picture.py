"""A report as one picture: paintings beside real pictures, the curve or the recognized digits, and the figures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from spiral import pictures
from spiral.datasets.views import resize
from spiral.evaluation.report import Report, rounded
from spiral.values.atomic_file import atomic_write

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLUMNS = 8


def save_report_picture(path: Path, report: Report) -> None:
    """Write the report as a PNG, aside and then renamed."""
    # matplotlib takes half a second to import, and only this function needs it.
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    sheet = _sheet(report)
    below = _panels(report)
    height = 11 * sheet.shape[0] / sheet.shape[1]
    figure = Figure(figsize=(11, height + 0.6 + 0.24 * len(report.figures) + 3.2 * bool(below)), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(report.title)
    ratios = [height, *([3.2] if below else []), 0.24 * len(report.figures)]
    rows = figure.add_gridspec(len(ratios), 1, height_ratios=ratios)
    axes = figure.add_subplot(rows[0])
    axes.imshow(sheet, interpolation="nearest")
    axes.axis("off")
    if below:
        cells = rows[1].subgridspec(1, len(below))
        for column, draw in enumerate(below):
            draw(figure.add_subplot(cells[0, column]), report)
    _table(figure.add_subplot(rows[-1]), report)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as aside:
        figure.savefig(aside, format="png", dpi=100)


def _sheet(report: Report) -> Any:
    real = resize(report.real, *report.painted.shape[1:3])
    beside = "targets" if report.conditional else "real"
    sheets = {"painted": report.painted, beside: real}
    if report.marked is not None:
        sheets["objects: right (ring), not quite (square), missed (cross)"] = report.marked
    return np.asarray(pictures.side_by_side(sheets, COLUMNS))


def _panels(report: Report) -> list[Any]:
    return [draw for draw, there in ((_curve, report.curve), (_histogram, report.histogram)) if there]


def _curve(axes: Axes, report: Report) -> None:
    strokes = np.arange(len(report.curve))
    axes.fill_between(
        strokes, [error.low for error in report.curve], [error.high for error in report.curve], alpha=0.3, linewidth=0
    )
    axes.plot(
        strokes, [error.value for error in report.curve], marker="o" if len(strokes) <= 30 else None, markersize=3
    )
    of = "runs" if report.runs else "paintings"
    axes.set_ylim(bottom=0)
    axes.locator_params(axis="x", integer=True)
    axes.set_title(f"error to the targets after k strokes ({report.curve[0].n:,} {of})", fontsize=10)
    axes.set_xlabel("strokes", fontsize=9)
    axes.set_ylabel("mean squared error", fontsize=9)
    axes.grid(alpha=0.3)


def _histogram(axes: Axes, report: Report) -> None:
    axes.bar(np.arange(len(report.histogram)), report.histogram)
    axes.set_xticks(np.arange(len(report.histogram)))
    axes.set_title("digits that the classifier sees", fontsize=10)
    axes.set_xlabel("digit", fontsize=9)
    axes.set_ylabel("paintings", fontsize=9)


def _table(axes: Axes, report: Report) -> None:
    axes.axis("off")
    rows = [[figure.label, *rounded(figure.estimate), f"{figure.estimate.n:,}"] for figure in report.figures]
    table = axes.table(
        cellText=rows,
        colLabels=["measure", "value", "95 % interval", "n"],
        colWidths=[0.62, 0.12, 0.18, 0.08],
        cellLoc="left",
        loc="center",
        edges="horizontal",
    )
    table.auto_set_font_size(False)
    table.set_fontsize(9)
