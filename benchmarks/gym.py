"""Compares the vector environment with its engine: ``python -m benchmarks gym``."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import gymnasium
import numpy as np
from numpy.typing import NDArray

import spiral.gym  # noqa: F401  (Gymnasium's registry learns of it)
from spiral.engines.mypaint import MyPaint

BATCH, LENGTH = 64, 20
SEED = 20181

Episode = Callable[[], NDArray[np.uint8]]


def measure(pairs: int = 100) -> dict[str, float]:
    """``gym.ratio``: frames/s through ``make_vec`` over those of the batch module, whose calls are the same.

    One thread, the pen on 64×64, the same random commands. Both sides take turns, an episode each, so that both see the
    same disturbances; the ratio is of processor times, the median of the pairs.
    """
    sizes = (2, 32**2, 32**2, 4, 10)
    rng = np.random.default_rng(SEED)
    actions = np.stack([rng.integers(0, size, (LENGTH, BATCH)) for size in sizes], -1).astype(np.int32)
    envs = gymnasium.make_vec("spiral/MyPaint-v0", num_envs=BATCH, num_actions=LENGTH)
    seeds = np.zeros(BATCH, dtype=np.int64)
    with MyPaint.from_settings({}).open(BATCH) as canvases:

        def through_the_environment() -> NDArray[np.uint8]:
            observations, _ = envs.reset()
            for step in actions:
                observations, *_ = envs.step(step)
            return np.asarray(observations["canvas"])

        def through_the_module() -> NDArray[np.uint8]:
            frames = canvases.reset(seeds)
            for step in actions:
                frames = canvases.step(step)
            return frames

        if (through_the_environment() != through_the_module()).any():
            raise RuntimeError("the environment and the engine paint different pictures, so times mean nothing")
        ratios, times = [], []
        for pair in range(pairs):
            # The second side finds the caches as the first has left them.
            order = (through_the_module, through_the_environment)[:: 1 if pair % 2 else -1]
            seconds = {episode: _seconds(episode) for episode in order}
            ratios.append(seconds[through_the_module] / seconds[through_the_environment])
            times.append(seconds[through_the_environment])
    envs.close()
    return {
        "gym.ratio": statistics.median(ratios),
        "gym.fps": BATCH * LENGTH / statistics.median(times),
    }


def _seconds(episode: Episode) -> float:
    start = time.process_time()
    episode()
    return time.process_time() - start
