"""Combines runs that differ in their seed: for each figure the mean over runs, its interval, and every value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from spiral.evaluation.bootstrap import Estimate
from spiral.evaluation.report import Figure, Report

# Student's t at 97.5 % for 1, 2, … degrees of freedom.
_T = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131)
MOST_RUNS = len(_T) + 1


def over_runs(reports: Sequence[Report]) -> Report:
    """The mean report of 2…16 runs; `n` of its figures is the number of runs.

    Intervals are Student's t at 95 %: they show how other seeds would change the mean if figures are normally
    distributed. Only figures measured for all runs are kept; the error after k strokes goes as far as the shortest
    curve. Raises ValueError for another number of runs, and for runs with different data or of another kind.
    """
    if not 2 <= len(reports) <= MOST_RUNS:
        raise ValueError(f"--run: {len(reports)} runs; an interval over runs needs 2 to {MOST_RUNS}")
    first = reports[0]
    for report in reports[1:]:
        if (report.data, report.conditional) != (first.data, first.conditional):
            raise ValueError(
                f"--run: {first.run} and {report.run} paint after different pictures ({first.data}, {report.data}) or "
                "in different ways; expected runs that differ only in their seed"
            )
    figures = [
        Figure(figure.key, figure.label, mean_of(values := _values(reports, figure.key)), figure.better, values)
        for figure in first.figures
        if all(figure.key in {other.key for other in report.figures} for report in reports)
    ]
    curves = zip(*(report.curve for report in reports), strict=False)
    shown = -(-len(first.painted) // len(reports))
    return replace(
        first,
        run=f"mean of {', '.join(report.run for report in reports)}",
        runs=tuple(report.run for report in reports),
        frames=round(np.mean([report.frames for report in reports])),
        figures=tuple(figures),
        painted=np.concatenate([report.painted[:shown] for report in reports]),
        real=np.concatenate([report.real[:shown] for report in reports]),
        marked=None,
        curve=tuple(mean_of(tuple(error.value for error in errors)) for errors in curves),
        histogram=tuple(int(count) for count in np.sum([report.histogram for report in reports], axis=0)),
        left_out=tuple(dict.fromkeys(sentence for report in reports for sentence in report.left_out)),
    )


def mean_of(values: tuple[float, ...]) -> Estimate:
    """The mean of 2…16 values with its 95 % interval by Student's t."""
    mean = float(np.mean(values))
    half = _T[len(values) - 2] * float(np.std(values, ddof=1)) / len(values) ** 0.5
    return Estimate(mean, mean - half, mean + half, len(values))


def _values(reports: Sequence[Report], key: str) -> tuple[float, ...]:
    return tuple(report[key].value for report in reports)
