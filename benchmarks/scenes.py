"""Renders a second of the engine ``scenes`` on one core, and MuJoCo's beside them: ``python -m benchmarks scenes``."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from spiral.engines import EngineMissingError
from spiral.engines.scenes import Scenes, mujoco_library
from spiral.engines.scenes.mjcf import mjcf

OBJECTS, SIDE = 5, 64
BATCH, LENGTH = 64, 20
FASTEST_SLICES = 28
"""MuJoCo's own default: fewer flat pieces than the engine asks for."""
SECONDS, TRIES = 0.5, 5


def measure() -> dict[str, float]:
    """Whole scenes and steps of a batch a second; where MuJoCo is installed, its scenes a second and the ratio."""
    random = np.random.default_rng(0)
    engine = Scenes.from_settings({})
    objects = random.integers(0, engine.spec.sizes[1:], (BATCH, OBJECTS, 6)).astype(np.int32)
    counts, out = np.full(BATCH, OBJECTS, np.int32), np.empty((BATCH, *engine.observation_shape), np.uint8)
    actions = random.integers(0, engine.spec.sizes, (LENGTH, BATCH, 7)).astype(np.int32)
    with engine.open(BATCH) as canvases:

        def episode() -> None:
            canvases.reset(out=out)
            for step in actions:
                canvases.step(step, out=out)

        results = {
            "scenes.draws_per_s": BATCH * _calls_per_s(lambda: engine.draw(objects, counts, out=out)),
            "scenes.steps_per_s": BATCH * LENGTH * _calls_per_s(episode),
        }
    try:
        mujoco = mujoco_library.load()
    except EngineMissingError:
        return results
    model = mujoco.MjModel.from_xml_string(mjcf(objects[0].tolist(), SIDE, FASTEST_SLICES))
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    with mujoco.Renderer(model, SIDE, SIDE) as renderer:

        def render() -> None:
            renderer.update_scene(data, "scene")
            renderer.render()

        results["scenes.mujoco_draws_per_s"] = _calls_per_s(render)
    results["scenes.ratio"] = results["scenes.draws_per_s"] / results["scenes.mujoco_draws_per_s"]
    return results


def _calls_per_s(call: Callable[[], object]) -> float:
    """By this process's CPU time, the best of several tries."""
    call()
    best = 0.0
    for _ in range(TRIES):
        calls, started = 0, time.process_time()
        while (taken := time.process_time() - started) < SECONDS:
            call()
            calls += 1
        best = max(best, calls / taken)
    return best
