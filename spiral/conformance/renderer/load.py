"""How much a renderer bears: latency and throughput at growing concurrency."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

import grpc
import numpy as np

from spiral.conformance.case import case, require
from spiral.conformance.renderer.subject import RendererTarget, Stream, random_program
from spiral.wire.error_reasons import reason

ROUND_S = 2.0
"""Duration of each concurrency; long enough for hundreds of steps of an ordinary engine."""
BATCH = 32
BEYOND = 4
"""How far above the declared limit it is tried, as a factor."""


@case("renderer", "load", "extended")
def the_declared_load_is_borne(renderer: RendererTarget) -> None:
    """The declared number of streams works without an error.

    Paints on 1, 2, 4, … streams of 32 canvases at a time, 2 s each, up to ``max_streams`` and on to four times as many,
    until a call fails. Up to ``max_streams`` no call may fail. p50 and p99 of a step, frames per second and the first
    error are in the report. Only with ``--load``.
    """
    limit = renderer.info.max_streams
    doubling = [1 << power for power in range((limit * BEYOND).bit_length())]
    for streams in sorted({*doubling, limit, limit * BEYOND}):
        measured = _measure(renderer, streams)
        renderer.measurements.append({"streams": streams, "batch": BATCH, **measured.summary()})
        if streams <= limit:
            require(not measured.errors, f"{streams} of {limit} declared streams: {next(iter(measured.errors), '')}")
        if measured.errors:
            return


@dataclass(slots=True)
class _Measured:
    """What the streams of one round saw; appending to a list is safe from any thread."""

    started_s: float
    steps_s: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    ended_s: float = 0.0

    def summary(self) -> dict[str, float | str]:
        """The figures for the report."""
        median, tail = np.percentile(self.steps_s, (50, 99)) if self.steps_s else (float("nan"),) * 2
        return {
            "p50_ms": round(float(median) * 1000, 3),
            "p99_ms": round(float(tail) * 1000, 3),
            "frames_per_s": round(len(self.steps_s) * BATCH / (self.ended_s - self.started_s), 1),
            "errors": len(self.errors),
            "first_error": next(iter(self.errors), ""),
        }


def _measure(renderer: RendererTarget, streams: int) -> _Measured:
    program = random_program(renderer.describe().spec, 32, BATCH, seed=101)
    engine, measured, end = renderer.engine, _Measured(time.monotonic()), time.monotonic() + ROUND_S

    def paint() -> None:
        with renderer.connection() as channel:
            stream = Stream(channel, engine)
            try:
                stream.open(BATCH)
                stream.reset()
                while not measured.steps_s or time.monotonic() < end:
                    for actions in program:
                        start_s = time.monotonic()
                        stream.step(actions)
                        measured.steps_s.append(time.monotonic() - start_s)
                        if start_s > end:
                            break
                stream.finish()
            except grpc.RpcError as error:
                measured.errors.append(reason(error))
            finally:
                stream.cancel()

    threads = [threading.Thread(target=paint, name=f"load-{number}") for number in range(streams)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    measured.ended_s = time.monotonic()
    return measured
