"""Compares the engine with a plain C loop that makes the same libmypaint calls: ``python benchmarks/engine.py``."""

from __future__ import annotations

import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spiral.engines.mypaint import MyPaint
from spiral.engines.mypaint.brushes import find_brush
from spiral.engines.mypaint.native.build import include_folders
from spiral.values import strict_json

FLOOR = Path(__file__).with_name("engine_floor.c")
BATCH, LENGTH, GRID = 64, 20, 32
SIZES = (1, 2, 4, 8)
SEED = 20181
BRUSHES = {"pen": "classic/pen", "dry_brush": "classic/dry_brush"}


def build_floor(folder: Path) -> Path:
    """Compile the C loop with the system's compiler."""
    program = folder / "engine_floor"
    includes = [f"-I{path}" for path in include_folders()]
    subprocess.run(["cc", "-O3", *includes, str(FLOOR), "-o", str(program), "-lmypaint", "-lm"], check=True)
    return program


def run_floor(program: Path, brush: str, actions: Path, episodes: int) -> tuple[float, int]:
    """CPU seconds of ``episodes`` episodes of the C loop, and the checksum of its last pictures."""
    arguments = [find_brush(brush), actions, BATCH, LENGTH, episodes, GRID, *SIZES]
    answer = subprocess.run([program, *map(str, arguments)], check=True, capture_output=True, text=True).stdout
    taken, checksum = answer.splitlines()[-1].split()  # libmypaint may print before it
    return float(taken), int(checksum)


def run_engine(brush: str, actions: NDArray[np.int32], episodes: int) -> tuple[float, int]:
    """The same through the engine, on one thread."""
    engine = MyPaint.from_settings({"brush": brush, "brush_sizes": SIZES, "grid": GRID})
    seeds = np.zeros(BATCH, dtype=np.int64)
    started = 0.0
    with engine.open(BATCH) as canvases:
        for episode in range(episodes + 1):
            if episode == 1:
                started = time.process_time()
            frames = canvases.reset(seeds)
            for step in actions:
                frames = canvases.step(step)
        taken = time.process_time() - started
    return taken, checksum(frames)


def checksum(frames: NDArray[np.uint8]) -> int:
    """The C loop's checksum: a polynomial in 31 over all bytes, modulo 2⁶⁴."""
    total = 0
    for byte in frames.tobytes():
        total = (total * 31 + byte) & (1 << 64) - 1
    return total


def measure(brush: str, floor: Path, folder: Path, pairs: int, seconds: float) -> tuple[float, float]:
    """Median ratio of ours to the C loop's over alternating runs of about ``seconds`` each, and our frames/s."""
    sizes = (2, GRID**2, GRID**2, len(SIZES), 10)
    rng = np.random.default_rng(SEED)
    actions = np.stack([rng.integers(0, size, (LENGTH, BATCH)) for size in sizes], -1).astype(np.int32)
    path = folder / "actions"
    actions.tofile(path)
    once, _ = run_floor(floor, brush, path, 1)
    episodes = max(1, round(seconds / once))
    ratios, times = [], []
    for _ in range(pairs):
        theirs, expected = run_floor(floor, brush, path, episodes)
        ours, found = run_engine(brush, actions, episodes)
        if found != expected:
            raise RuntimeError(f"{brush}: the engine and the C loop paint different pictures, so times mean nothing")
        ratios.append(ours / theirs)
        times.append(ours)
    return statistics.median(ratios), episodes * BATCH * LENGTH / statistics.median(times)


def run(pairs: int = 7, seconds: float = 1.5) -> dict[str, float]:
    """``engine.<brush>.ratio`` (ours over the C loop's CPU time) and ``engine.<brush>.fps`` for one core."""
    results: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        floor = build_floor(Path(folder))
        for name, brush in BRUSHES.items():
            ratio, fps = measure(brush, floor, Path(folder), pairs, seconds)
            results[f"engine.{name}.ratio"], results[f"engine.{name}.fps"] = ratio, fps
    return results


if __name__ == "__main__":
    print(strict_json.report(run(), indent=1))
