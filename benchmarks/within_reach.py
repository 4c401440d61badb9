"""How near a search for the best strokes comes to targets: ``python -m benchmarks.within_reach mnist-reconstruct``.

The search begins with random programs with a preset's brush and length (``spiral/reconstruction/search.py``). An agent
that looks once must find what the search finds in thousands of attempts.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import numpy as np

from spiral import datasets
from spiral.configuration.files import load_config
from spiral.engines import create
from spiral.evaluation.targets import mse
from spiral.reconstruction.search import Search

TARGETS = 48
SHOWN_EVERY = 800
"""Number of attempts between two lines of output."""


def main(argv: Sequence[str] | None = None) -> int:
    """Search, and print the mean error as it falls."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("preset")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="change a setting of the preset"
    )
    parser.add_argument("--tries", type=int, default=3200, help="for each target (default 3,200)")
    arguments = parser.parse_args(argv)
    config = load_config(arguments.preset, arguments.set)
    engine = create(config.engine.name, config.engine.settings)
    height, width, channels = engine.observation_shape
    held_out = config.hold_out_validation
    data = datasets.load(config.data, (height, width), channels == 3, hold_out_validation=held_out)
    pictures, _ = data.split(config.tuning_split)
    rng = np.random.default_rng(0)
    targets = pictures[rng.permutation(len(pictures))[:TARGETS]]
    programs = rng.integers(0, engine.spec.sizes, (TARGETS, config.num_actions, len(engine.spec)), dtype=np.int32)
    if config.policy.moves != "free":
        programs[:, 1:, 0] = 1
    if config.policy.moves == "alternate":
        programs[:, ::2, 0] = 0
    print(f"blank paper: {mse(np.full_like(targets, 255), targets).mean():.4f}")
    search = Search(engine, targets, programs, config.policy.moves, seed=0)
    for tried in range(0, arguments.tries, SHOWN_EVERY):
        more = min(SHOWN_EVERY, arguments.tries - tried)
        search.advance(more)
        print(f"after {tried + more:,} tries: {search.errors.mean():.4f}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
