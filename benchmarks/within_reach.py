"""How near a search for the best strokes comes to targets: ``python -m benchmarks.within_reach mnist-reconstruct``.

Programs with a preset's brush and number of actions are changed at random, and a change is kept where the squared error
to the target falls. An agent that looks once has to find what the search finds in thousands of tries.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from spiral import datasets
from spiral.actions import ActionSpec
from spiral.config import load_config
from spiral.engines import Canvases, create
from spiral.evaluation import mse

TARGETS, TRIES_AT_ONCE = 48, 8
WHOLE, NEAR = 0.3, 0.6
"""Share of the changes that make an action anew, and of those of one place that go to a neighbouring one."""


def changed(programs: NDArray[np.int32], spec: ActionSpec, moves: str, rng: np.random.Generator) -> NDArray[np.int32]:
    """Each program ``[T, N, K]`` with one action, or one component of one action, drawn anew."""
    programs = programs.copy()
    T, N, K = programs.shape
    everyone, action = np.arange(N), rng.integers(T, size=N)
    old, anew = programs[action, everyone], rng.integers(0, spec.sizes, (N, K))
    moved = anew.copy()
    for k, component in enumerate(spec.components):
        if component.kind == "grid":
            places = np.stack(np.divmod(old[:, k], component.side)) + rng.integers(-1, 2, (2, N))
            row, column = places.clip(0, component.side - 1)
            moved[:, k] = np.where(rng.random(N) < NEAR, row * component.side + column, anew[:, k])
    one = np.arange(K) == rng.integers(1, K, (N, 1))
    whole = rng.random((N, 1)) < WHOLE
    programs[action, everyone] = np.where(whole, anew, np.where(one, moved, old))
    if moves != "free":
        programs[1:, :, 0] = 1
    if moves == "alternate":
        programs[::2, :, 0] = 0
    return programs


def painted(canvases: Canvases, programs: NDArray[np.int32]) -> NDArray[np.uint8]:
    """What programs ``[T, N, K]`` paint, in the agent's view: ``[N, H, W, C]``."""
    frames = canvases.reset(np.zeros(programs.shape[1], np.int64))
    for actions in programs:
        frames = canvases.step(actions)
    return frames


def main(argv: Sequence[str] | None = None) -> int:
    """Search, and print the mean error as it falls."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("preset")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="change a setting of the preset"
    )
    parser.add_argument("--rounds", type=int, default=400, help=f"of {TRIES_AT_ONCE} tries for each target")
    arguments = parser.parse_args(argv)
    config = load_config(arguments.preset, arguments.set)
    engine = create(config.engine.name, config.engine.settings)
    height, width, channels = engine.observation_shape
    test = datasets.load(config.data, (height, width), channels == 3).test
    rng = np.random.default_rng(0)
    targets = test[rng.permutation(len(test))[:TARGETS]]
    wanted = targets.repeat(TRIES_AT_ONCE, 0)
    canvases = engine.open(TARGETS * TRIES_AT_ONCE)
    best = rng.integers(0, engine.spec.sizes, (config.num_actions, TARGETS, len(engine.spec))).astype(np.int32)
    least = np.full(TARGETS, np.inf)
    print(f"blank paper: {mse(np.full_like(targets, 255), targets).mean():.4f}")
    for round_ in range(1, arguments.rounds + 1):
        tries = changed(best.repeat(TRIES_AT_ONCE, 1), engine.spec, config.policy.moves, rng)
        errors = mse(painted(canvases, tries), wanted).reshape(TARGETS, TRIES_AT_ONCE)
        better = errors.min(1) < least
        chosen = (np.arange(TARGETS) * TRIES_AT_ONCE + errors.argmin(1))[better]
        best[:, better], least[better] = tries[:, chosen], errors.min(1)[better]
        if round_ % 100 == 0 or round_ == arguments.rounds:
            print(f"after {round_ * TRIES_AT_ONCE:,} tries: {least.mean():.4f}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
