"""Programs drawn from a network in NumPy and painted on an engine in this process."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from spiral.computing.machine import require_memory
from spiral.engines import Engine
from spiral.inference.small_network import Floats, Ints, Moment, SmallNetwork

LEAST = np.float32(1e-30)
"""Least exponential draw, so that its logarithm is finite and a value that cannot be chosen never is."""


def paint(
    network: SmallNetwork,
    engine: Engine,
    num: int,
    seed: int,
    targets: NDArray[np.uint8] | None = None,
    *,
    batch: int = 64,
    threads: int = 1,
    temperature: float = 1.0,
) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """Paint ``num`` pictures: canvases ``[num, H, W, C]`` (not the view) and actions int32 ``[num, T, K]``.

    ``targets``: uint8 ``[num, H, W, C]``, the view's size. Logits are divided by ``temperature``; 0 takes the
    likeliest value. MemoryError if memory is too small for the pictures now, ValueError if it always is; then no
    picture was painted.
    """
    T, K = network.num_actions, len(network.spec)
    each = math.prod(engine.canvas_shape) + 4 * T * K
    require_memory(2 * num * each, f"{num:,} pictures of {engine.canvas_shape[1]}×{engine.canvas_shape[0]} pixels")
    rng = np.random.default_rng(seed)
    pictures = np.empty((num, *engine.canvas_shape), np.uint8)
    programs = np.empty((num, T, K), np.int32)
    for start in range(0, num, batch):
        these = slice(start, min(start + batch, num))
        size = these.stop - start
        canvases = engine.open(size, threads)
        frames = canvases.reset(np.zeros(size, np.int64))
        noise = rng.standard_normal((size, network.noise), np.float32) if network.noise else None
        target = None if targets is None else network.see(targets[these])
        previous = np.zeros((size, K), np.int64)
        for step in range(T):
            seen = network.see(np.full_like(frames, 255) if network.blind else frames)
            moment = Moment(seen, previous, step, noise, target)
            previous = act(network, moment, rng, temperature)
            programs[these, step] = previous
            frames = canvases.step(programs[these, step])
        pictures[these] = canvases.canvas()
        canvases.close()
    return pictures, programs


def act(network: SmallNetwork, moment: Moment, rng: np.random.Generator, temperature: float = 1.0) -> Ints:
    """Draw the next action of each episode: ``[B, K]``, components in the spec's order; those without effect are 0."""

    def sample(k: int, logits: Floats, episodes: Ints) -> Ints:
        del k, episodes
        if temperature:
            # The exponential race: the argmin of E_i / p_i with E_i ~ Exp(1) is distributed as p.
            race = np.log(np.maximum(rng.standard_exponential(logits.shape, np.float32), LEAST))
            logits = (logits - race * np.float32(temperature)).astype(np.float32)
        likeliest: Ints = logits.argmax(1)
        return likeliest

    actions = np.zeros(moment.previous.shape, np.int64)
    for k, (episodes, _, chosen) in enumerate(network.decode(moment, sample)):
        actions[episodes, k] = chosen
    return actions
