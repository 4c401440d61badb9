"""Single strokes and their coverage: the ink of a stroke on a blank canvas, whatever is painted under it later.

If a brush lays its color over the canvas, a stroke of color c changes each pixel b to b + α (c − b). So α, painted
once, tells what the stroke would do anywhere and in any color.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spiral.engines import Engine
from spiral.values.actions import ActionSpec

START, END, CONTROL, SIZE, PRESSURE = range(5)
BATCH = 32
"""Strokes painted at once."""
NEAR = 0.1
"""Standard deviation of the distance by which a change moves a place, in sides of the window."""
LONGEST = 0.5
"""Mean distance between the places of a random stroke, in sides of the window."""

Strokes = NDArray[np.int32]
"""``[N, 5]``: start, end and control as places, size and pressure as values of their components."""
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Ink:
    """Coverage of a window of ``P`` pixels by each of ``N`` strokes."""

    strokes: Strokes
    alpha: Floats
    """``[N, P]``, 0 to 1."""
    squared: Floats
    """The squares of the coverage."""
    whole: Floats
    """The sums of the squares, ``[N, 1]``."""
    beyond: Floats
    """``[N, 4]``: the largest coverage on the window's upper, lower, left and right edge."""


class Pen:
    """Draws single strokes in a window, which has its own small canvas."""

    def __init__(self, engine: Engine, threads: int) -> None:
        """``engine``: paints in black on white. ValueError if its actions are no curves."""
        if not {"flag", "end", "control"} <= set(engine.spec.names):
            raise ValueError(
                f"its actions have the components {', '.join(engine.spec.names)}; expected flag, end, control"
            )
        self.spec = engine.spec
        self.side = engine.spec.components[engine.spec.index("end")].side
        self._view = engine.observation_shape
        self._canvases = engine.open(BATCH, threads)

    def close(self) -> None:
        """Free the canvases; using them afterwards is an error."""
        self._canvases.close()

    def ink(self, strokes: Strokes) -> Ink:
        """The coverage of each of ``strokes``."""
        height, width, _ = self._view
        alpha = np.empty((len(strokes), height, width), np.float32)
        for first in range(0, len(strokes), BATCH):
            some = strokes[first : first + BATCH]
            padded = np.concatenate([some, some[:1].repeat(BATCH - len(some), 0)])
            self._canvases.reset(np.zeros(BATCH, np.int64))
            self._canvases.step(moves(padded, self.spec))
            frames = self._canvases.step(paints(padded, self.spec))
            alpha[first : first + BATCH] = 1 - frames[: len(some), :, :, 0] / np.float32(255)
        edges = (alpha[:, 0], alpha[:, -1], alpha[:, :, 0], alpha[:, :, -1])
        beyond = np.stack([edge.max(1) for edge in edges], 1)
        flat = alpha.reshape(len(strokes), height * width)
        squared = flat * flat
        return Ink(strokes, flat, squared, squared.sum(1, keepdims=True), beyond)

    def random(self, count: int, rng: np.random.Generator) -> Strokes:
        """Strokes of any length and bend."""
        start = rng.random((count, 2))
        reach = rng.exponential(LONGEST / 2, (count, 1))
        end, control = (start + reach * rng.standard_normal((count, 2)) for _ in range(2))
        return self._strokes(
            (start, end, control), self._values("size", count, rng), self._values("pressure", count, rng)
        )

    def changed(self, stroke: Strokes, count: int, near: float, rng: np.random.Generator) -> Strokes:
        """``count`` copies of a stroke ``[5]``, each with places moved by about ``near`` sides of the window and
        sometimes with another size or pressure."""
        places = [
            self._at(stroke[part]) + near * rng.standard_normal((count, 2)) * (rng.random((count, 1)) < 0.5)
            for part in (START, END, CONTROL)
        ]
        kept = np.repeat(stroke[None], count, 0)
        fresh = self._strokes(tuple(places), kept[:, SIZE], kept[:, PRESSURE])
        for part, name in ((SIZE, "size"), (PRESSURE, "pressure")):
            other = (fresh[:, part] + rng.choice((-1, 1), count)).clip(0, self._size(name) - 1)
            fresh[:, part] = np.where(rng.random(count) < 0.2, other, fresh[:, part])
        return fresh

    def _at(self, place: np.int32) -> NDArray[np.float64]:
        return np.array(np.divmod(place, self.side)) / self.side

    def _strokes(self, places: tuple[NDArray[np.float64], ...], size: Strokes, pressure: Strokes) -> Strokes:
        cells = [(place * self.side).round().astype(np.int32).clip(0, self.side - 1) for place in places]
        return np.stack([*(cell[:, 0] * self.side + cell[:, 1] for cell in cells), size, pressure], 1).astype(np.int32)

    def _values(self, name: str, count: int, rng: np.random.Generator) -> Strokes:
        return rng.integers(self._size(name), size=count, dtype=np.int32)

    def _size(self, name: str) -> int:
        return self.spec.sizes[self.spec.index(name)] if name in self.spec.names else 1


def moves(strokes: Strokes, spec: ActionSpec) -> NDArray[np.int32]:
    """The actions ``[N, K]`` that lift the pen and set it down where strokes start."""
    actions = np.zeros((len(strokes), len(spec)), np.int32)
    actions[:, spec.index("end")] = strokes[:, START]
    return actions


def paints(strokes: Strokes, spec: ActionSpec, levels: NDArray[np.int32] | None = None) -> NDArray[np.int32]:
    """The actions ``[N, K]`` that paint strokes from their starts, in the colors ``levels`` ``[N, 3]`` or black."""
    actions = np.zeros((len(strokes), len(spec)), np.int32)
    actions[:, 0] = 1
    for part, name in ((END, "end"), (CONTROL, "control"), (SIZE, "size"), (PRESSURE, "pressure")):
        if name in spec.names:
            actions[:, spec.index(name)] = strokes[:, part]
    if levels is not None:
        for channel, name in enumerate(("red", "green", "blue")):
            actions[:, spec.index(name)] = levels[:, channel]
    return actions
