"""The whole loop, including learning, alternately as four services and in one process.

``loop.services_fps``, ``loop.in_process_fps``: learned frames per second in steady state, medians; ``loop.ratio``: the
former divided by the latter, median of pairs. ``loop.stage_share.*``: each service's share of the processor time.
``memory.demo_bytes``: memory of all processes of the demo.
"""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path

from benchmarks.training import START_S, training
from spiral.computing.machine import usable_cores

PRESET = "demo"
"""The preset ``mnist`` with the data that ships with the package: the same sizes, so the same speed."""
WARM_UP_S = 15.0
"""Time that is left out at the start: queues fill, caches warm up."""


def measure(pairs: int = 2, seconds: float = 60.0) -> dict[str, float]:
    """All figures, by key; takes about two and a half minutes per pair."""
    results: dict[str, float] = {}
    services, in_process = [], []
    with tempfile.TemporaryDirectory() as folder:
        for n in range(pairs):
            fps, more = _measure_services(Path(folder), f"services-{n}", seconds)
            services.append(fps)
            results |= more
            in_process.append(_measure_in_process(Path(folder), f"in-process-{n}", seconds))
    return {
        "loop.services_fps": statistics.median(services),
        "loop.in_process_fps": statistics.median(in_process),
        "loop.ratio": statistics.median(a / b for a, b in zip(services, in_process, strict=True)),
        **results,
    }


def _measure_services(folder: Path, name: str, seconds: float) -> tuple[float, dict[str, float]]:
    with training(folder, name, PRESET) as run:
        first = run.record_after(WARM_UP_S, START_S + WARM_UP_S)
        before = run.cpu_seconds()
        last = run.record_after(first["seconds"] + seconds, START_S + seconds)
        spent = {service: cpu - before.get(service, 0.0) for service, cpu in run.cpu_seconds().items()}
        memory = run.memory_bytes()
    total = sum(spent.values())
    shares = {f"loop.stage_share.{service}": cpu / total for service, cpu in sorted(spent.items())}
    return _fps(first, last), {**shares, "memory.demo_bytes": memory}


def _measure_in_process(folder: Path, name: str, seconds: float) -> float:
    options = ("--in-process", "--threads", f"in-process={usable_cores()}")
    with training(folder, name, PRESET, options) as run:
        first = run.record_after(WARM_UP_S, START_S + WARM_UP_S)
        return _fps(first, run.record_after(first["seconds"] + seconds, START_S + seconds))


def _fps(first: dict[str, float], last: dict[str, float]) -> float:
    return (last["frames"] - first["frames"]) / (last["seconds"] - first["seconds"])
