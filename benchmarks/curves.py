"""Learning curves of several runs in one picture, grouped by what was changed between them.

``python -m benchmarks.curves mse "l2=l2-0 l2-1 l2-2" "learned=learned-0 learned-1" --out docs/pictures/l2.png``: a line
for each group is the mean of its runs, with a band from their minimum to their maximum.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.plots import save_lines
from spiral.runs.directory import Run
from spiral.values import strict_json

POINTS = 50
"""Points of a curve; each is the mean of the records since the previous point."""


def recorded(run: Run, measure: str) -> NDArray[np.float64]:
    """Learned frames and ``measure`` at each: [2, N], oldest first; ValueError if the run has none."""
    points = [(record["frames"], record[measure]) for record in run.history() if measure in record]
    if not points:
        raise ValueError(f'{run.history_file}: it records no "{measure}"; `spiral train` writes it where it is known')
    return np.array(points, np.float64).T


def curve(points: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """Means of ``points`` [2, N] between the frames ``edges`` [P + 1]: [P]; a straight line where there are none."""
    frames, values = points
    place = np.digitize(frames, edges, right=True) - 1
    there = np.unique(place[(place >= 0) & (place < len(edges) - 1)])
    means: NDArray[np.float64] = np.array([values[place == p].mean() for p in there])
    return np.interp(np.arange(len(edges) - 1), there, means)


def groups_of(arguments: Sequence[str], runs: Path) -> dict[str, list[Run]]:
    """``NAME=RUN RUN …`` of each argument."""
    groups = {}
    for argument in arguments:
        name, _, members = argument.partition("=")
        if not members.split():
            raise ValueError(f'{argument}: there is no run in it; expected "NAME=RUN RUN …"')
        groups[name] = [Run(runs / member) for member in members.split()]
    return groups


def main(argv: Sequence[str] | None = None) -> int:
    """Draw the curves and print where each run ended."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("measure", help="a number of history.jsonl, for example mse")
    parser.add_argument("groups", nargs="+", metavar="NAME=RUN RUN …")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="folder of the runs (default: runs)")
    parser.add_argument("--frames", type=int, help="up to so many learned frames (default: as far as the shortest run)")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/out/curves.png"), help="the picture")
    arguments = parser.parse_args(argv)
    try:
        groups = groups_of(arguments.groups, arguments.runs)
        found = {name: [recorded(run, arguments.measure) for run in runs] for name, runs in groups.items()}
    except ValueError as error:
        parser.error(str(error))
    last = arguments.frames or int(min(points[0, -1] for group in found.values() for points in group))
    edges = np.linspace(0, last, POINTS + 1)
    curves = {name: np.stack([curve(points, edges) for points in group]) for name, group in found.items()}
    named = {f"{name} ({len(rows)})": rows for name, rows in curves.items()}
    save_lines(arguments.out, named, edges[1:], "learned frames", arguments.measure)
    for name, lines in curves.items():
        print(
            strict_json.report({"group": name, "frames": last, "last tenth": lines[:, -5:].mean(1).round(4).tolist()})
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
