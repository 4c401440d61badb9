"""Which strokes of a long episode improve the score: ``python -m benchmarks.improvement RUN RUN --out picture.png``.

Each run paints stroke by stroke, and its own discriminator scores every stroke. Where every stroke has learned
to paint, the score rises all along the episode; where only the last ones have, it rises at its end.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.plots import save_lines
from spiral.computing.machine import usable_cores
from spiral.evaluation.stroke_curve import views_by_action
from spiral.models.with_torch import load_trained
from spiral.runs.checkpoints import read_latest
from spiral.runs.directory import Run
from spiral.services.discriminator.network import build_network, to_input
from spiral.values import strict_json

PAINTINGS = 256
TENTHS = 10


def scores_by_stroke(run: Run) -> NDArray[np.float32]:
    """Scores of the blank canvas and after each of the ``T`` strokes: [T + 1, PAINTINGS]."""
    trained = load_trained(run)
    config = trained.config
    if config.conditional:
        raise ValueError(f"{run.path}: it paints after targets; this compares runs that paint from nothing")
    checkpoint = read_latest(run.checkpoints("discriminator"))
    if checkpoint is None or "network" not in checkpoint.state.tensors:
        raise ValueError(f"{run.path}: it has no discriminator that has learned; train with one")
    judge = build_network(
        trained.engine.observation_shape,
        config.discriminator.channels,
        False,
        config.seed,
        config.discriminator.objective.prepare,
    )
    judge.load_state_dict(checkpoint.state.tensors["network"])
    judge.eval()
    _, actions = trained.paint(PAINTINGS, seed=1)
    views = views_by_action(trained.engine, actions, usable_cores())
    with torch.inference_mode():
        return np.stack([judge(to_input(view, torch.device("cpu"))).numpy() for view in views])


def main(argv: Sequence[str] | None = None) -> int:
    """Print the share of the score's improvement in each tenth of the episode, and draw the score by stroke."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="+", metavar="RUN")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="folder of the runs (default: runs)")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/out/improvement.png"), help="the picture")
    arguments = parser.parse_args(argv)
    try:
        scores = {name: scores_by_stroke(Run(arguments.runs / name)).mean(1, np.float64) for name in arguments.names}
        if len(lengths := {len(mean) - 1 for mean in scores.values()}) > 1:
            raise ValueError(f"the runs have {sorted(lengths)} strokes; runs of as many can be compared")
    except ValueError as error:
        parser.error(str(error))
    improved = {name: (mean - mean[0]) / (mean[-1] - mean[0]) for name, mean in scores.items()}
    strokes = np.arange(lengths.pop() + 1.0)
    ends = np.linspace(0, len(strokes) - 1, TENTHS + 1).round().astype(int)
    for name, mean in scores.items():
        found = {"blank": round(mean[0], 3), "final": round(mean[-1], 3)}
        print(
            strict_json.report(
                {"run": name, **found, "share of each tenth": np.diff(improved[name][ends]).round(3).tolist()}
            )
        )
    lines = {name: share[np.newaxis] for name, share in improved.items()}
    save_lines(arguments.out, lines, strokes, "strokes", "share of the score's improvement so far")
    return 0


if __name__ == "__main__":
    sys.exit(main())
