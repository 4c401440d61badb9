"""What searches tell of pictures of objects: ``python -m benchmarks.object_searches mcmc scenes --out DIR``.

The curves of error and attributes against drawings, for the paper's Metropolis–Hastings (``mcmc``) or greedy analysis
by synthesis (``greedy``), with the figures of ``spiral eval``. Needs the data set and scipy.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from spiral.datasets import load, objects
from spiral.engines import create
from spiral.engines.objects import ObjectEngine, Objects
from spiral.evaluation.bootstrap import Estimate, estimate_mean, weights_of
from spiral.evaluation.objects import match_all, object_figures
from spiral.evaluation.targets import mse
from spiral.reconstruction.greedy import greedy
from spiral.reconstruction.metropolis import metropolis
from spiral.values import strict_json

AFTER = (1, 10, 30, 100, 300, 1_000, 3_000, 10_000, 20_000)
"""Drawings of each picture after which the search is looked at."""


def main() -> None:
    """Search, print a line for each point of the curve and write them all as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("search", choices=["mcmc", "greedy"])
    parser.add_argument("data", help="data set whose objects are known, for example scenes")
    parser.add_argument("--engine", default="scenes")
    parser.add_argument("--num", type=int, default=100, help="pictures, the first ones of the split (default: 100)")
    parser.add_argument("--split", choices=["test", "validation"], default="test")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True, help="folder for SEARCH-DATA.json")
    arguments = parser.parse_args()
    engine, truth = create(arguments.engine, {}), objects(arguments.data, arguments.split)
    if not isinstance(engine, ObjectEngine) or truth is None:
        raise SystemExit(f"the objects of {arguments.engine} or of {arguments.data} are not known")
    truth = truth.take(slice(0, arguments.num))
    height, width, channels = engine.observation_shape
    data = load(arguments.data, (height, width), channels == 3, hold_out_validation=True)
    targets = data.split(arguments.split)[0][: arguments.num]
    steps = (
        metropolis(engine, targets, arguments.seed, AFTER) if arguments.search == "mcmc" else _greedy(engine, targets)
    )
    curve = []
    for drawings, found in steps:
        point = figures(engine, found, truth, targets, arguments.seed)
        values = ", ".join(f"{key} {value.value:.4g}" for key, value in point.items())
        print(f"{drawings:,} drawings: {values}", flush=True)
        curve.append({"drawings": drawings, **{key: vars_of(value) for key, value in point.items()}})
        arguments.out.mkdir(parents=True, exist_ok=True)
        report = {"search": arguments.search, "data": arguments.data, "split": arguments.split, "curve": curve}
        (arguments.out / f"{arguments.search}-{arguments.data}.json").write_text(strict_json.report(report, indent=1))


def figures(engine: ObjectEngine, found: Objects, truth: Objects, targets: Any, seed: int) -> dict[str, Estimate]:
    """The error and the attributes' figures of scenes that were found."""
    errors = estimate_mean(mse(engine.draw(*found), targets), weights_of(len(targets), seed))
    judged = object_figures(engine, match_all(engine, found, truth), seed)
    return {"mse": errors, **{figure.key: figure.estimate for figure in judged}}


def vars_of(value: Estimate) -> dict[str, float]:
    """An estimate as plain values."""
    return {"value": value.value, "low": value.low, "high": value.high, "n": value.n}


def _greedy(engine: ObjectEngine, targets: Any) -> Iterator[tuple[int, Objects]]:
    """All pictures' scenes after 0, 1, 2, … objects; one that has ended stays as it is."""
    each = [greedy(engine, target) for target in targets]
    for k in range(max(len(scenes) for scenes, _ in each)):
        scenes = [scenes[min(k, len(scenes) - 1)] for scenes, _ in each]
        counts = np.concatenate([scene.counts for scene in scenes])
        attributes = np.zeros((len(scenes), max(1, int(counts.max())), len(engine.attributes)), np.int32)
        for mine, scene in zip(attributes, scenes, strict=True):
            mine[: scene.counts[0]] = scene.attributes[0]
        yield k * each[0][1] + 1, Objects(attributes, counts)


if __name__ == "__main__":
    main()
