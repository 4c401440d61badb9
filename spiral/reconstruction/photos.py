"""Paints pictures of any size and shape on one large canvas, stroke by stroke, each where it helps most.

Windows of several sizes overlap by half. For each window, the best of many random strokes is known. The one that lowers
the error of the whole picture most is improved by small changes and painted; then the windows it touched are searched
again. Large strokes lower the error most, so coarse strokes come first, and later ones only where error remains.

Nothing here is learned: the model provides only the engine, the brush and its sizes (docs/notebook/photos.md).
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from spiral.computing.machine import usable_threads
from spiral.datasets import views
from spiral.engines import create
from spiral.engines.programs import Program, render
from spiral.engines.registry import plugin
from spiral.evaluation.targets import mse
from spiral.models.trained import Trained
from spiral.reconstruction.single_strokes import BATCH, SIZE, Floats, Ink, Pen, Strokes, moves, paints

MOST_STROKES = 4_999
"""Each takes two actions of a program's 10,000."""
LARGEST = 8
"""Sides of the canvas, in sides of the agent's own canvas: 512 pixels if that has 64. Programs replay larger."""
BANK = 2048
"""Number of random strokes tried in every window."""
ROUNDS, CHANGES = 5, BATCH
"""Rounds of improvement of the best stroke, and changes tried in each round."""
SPILL = 0.1
"""Most ink on a window's edge, unless it is the canvas' own edge: the window does not see what lies beyond."""
KEPT = 0.25
"""Share of its expected gain that a stroke has to achieve."""
CROPPED = 0.02
"""Share of the picture that may be cut off for a canvas one side larger."""


@dataclass(frozen=True, slots=True)
class Photo:
    """A picture and its reconstruction."""

    program: Program
    target: NDArray[np.uint8]
    """``[H, W, C]``, the canvas' size."""
    canvas: NDArray[np.uint8]
    mse: float
    strokes: int
    change: str
    """How the picture was fitted to the canvas, in words."""


@dataclass(order=True, slots=True)
class Window:
    """A square of the canvas, and the best stroke found in it so far."""

    loss: float
    """How much the stroke changes the sum of squared errors of the view."""
    top: int = field(compare=False)
    left: int = field(compare=False)
    zoom: int = field(compare=False)
    """Its side, in sides of the agent's canvas."""
    best: Strokes = field(compare=False, default_factory=lambda: np.zeros(5, np.int32))
    seen: int = field(compare=False, default=-1)
    """Number of strokes on the canvas when this window was last searched."""


def canvas_of(height: int, width: int, side: int) -> tuple[int, int]:
    """Height and width of the canvas for a picture: multiples of ``side``, of nearly its shape."""
    most = max(1, min(LARGEST, -(-max(height, width) // side)))
    shapes = [(a, b) for a in range(1, most + 1) for b in range(1, most + 1)]

    def badness(shape: tuple[int, int]) -> float:
        ratio = width * shape[0] / (height * shape[1])
        return 1 - min(ratio, 1 / ratio) - CROPPED * max(shape)

    rows, columns = min(shapes, key=badness)
    return rows * side, columns * side


class PhotoPainter:
    """Reconstructs one picture."""

    def __init__(self, trained: Trained, picture: NDArray[np.uint8], seed: int) -> None:
        """``picture`` ``[H, W, C]`` with the view's channels. ValueError if the engine has no large canvases."""
        self._rng = np.random.default_rng(seed)
        side, seen = trained.engine.canvas_shape[0], trained.engine.observation_shape[0]
        self._side, self._seen, self._shrink = side, seen, side // seen
        height, width = canvas_of(picture.shape[0], picture.shape[1], side)
        self.target = views.crop_to_cover(picture[None], height, width)[0]
        had = f"{picture.shape[1]}×{picture.shape[0]}"
        same = picture.shape[:2] == (height, width)
        self._change = f"{had}" if same else f"{had} → {width}×{height}, cut about its center and scaled"
        zooms = [zoom for zoom in (1, 2, 4, 8) if zoom * side <= min(height, width)]
        name, own = trained.config.engine.name, trained.config.engine.settings
        large, brought = plugin(name).large, create(name, own)
        self._settings = large(own, (height, width), (height, width), zooms)
        self._engine = create(name, {**self._settings, "view": [height // self._shrink, width // self._shrink]})
        self._zoom_index = {zoom: index for index, zoom in enumerate(zooms)}
        sizes = brought.spec.sizes
        self._sizes = sizes[brought.spec.index("size")] if "size" in brought.spec.names else 1
        window = {**large(own, (side, side), (side, side), [1]), "view": [seen, seen]}
        self._pen = Pen(create(name, window), usable_threads())
        self._levels = sizes[brought.spec.index("red")] if "red" in brought.spec.names else 0
        self._bank = self._pen.ink(self._pen.random(BANK, self._rng))
        self._canvas = self._engine.open(1)
        view = self._canvas.reset(np.zeros(1, np.int64))[0]
        self._now = view.astype(np.float32) / 255
        self._wanted = views.resize(self.target[None], *view.shape[:2])[0].astype(np.float32) / 255
        self._actions: list[NDArray[np.int32]] = []
        self._touched = np.full(tuple(length * self._shrink * 2 // side for length in view.shape[:2]), -1)
        self._windows = self._all_windows(zooms)

    @property
    def strokes(self) -> int:
        """Painted so far."""
        return len(self._actions) // 2

    @property
    def mse(self) -> float:
        """Error of the view so far, pixels 0 to 1."""
        return float(((self._now - self._wanted) ** 2).mean())

    def advance(self) -> bool:
        """Paint one more stroke; False if none would lower the error."""
        window = self.best()
        if window.loss >= 0:
            return False
        self._paint(window)
        return True

    def best(self) -> Window:
        """The window whose best stroke would lower the error most, after searching the changed windows again."""
        while not self._is_current(window := self._windows[0]):
            self._look(window)
            heapq.heapreplace(self._windows, window)
        return window

    def finish(self) -> Photo:
        """The program so far, painted on its canvas; no stroke can be added after that."""
        self._canvas.close()
        self._pen.close()
        if not self._actions:  # a program has at least one action: a move leaves a blank canvas
            self._actions.append(np.zeros(len(self._engine.spec), np.int32))
        program = Program.of(self._engine, self._settings, np.stack(self._actions))
        canvas = render(program)[0]
        error = float(mse(canvas[None], self.target[None])[0])
        strokes = int((program.actions[:, 0] == 1).sum())
        return Photo(program, self.target, canvas, error, strokes, self._change)

    def _all_windows(self, zooms: list[int]) -> list[Window]:
        """Windows of all sizes, overlapping by half; none has been searched yet."""
        height, width = self.target.shape[:2]
        return [
            Window(-np.inf, top, left, zoom)
            for zoom in zooms
            for top in range(0, height - zoom * self._side + 1, zoom * self._side // 2)
            for left in range(0, width - zoom * self._side + 1, zoom * self._side // 2)
        ]

    def _cut(self, view: Floats, top: int, left: int, zoom: int) -> Floats:
        """A window of the view, averaged to what the agent sees: ``[h, w, C]``."""
        side, top, left = zoom * self._seen, top // self._shrink, left // self._shrink
        cells = view[top : top + side, left : left + side].reshape(self._seen, zoom, self._seen, zoom, -1)
        mean: Floats = cells.mean((1, 3), dtype=np.float32)
        return mean

    def _is_current(self, window: Window) -> bool:
        half = self._side // 2
        rows, columns = (slice(at // half, at // half + 2 * window.zoom) for at in (window.top, window.left))
        return window.seen >= 0 and int(self._touched[rows, columns].max()) <= window.seen

    def _look(self, window: Window) -> None:
        """Find the best stroke in a window."""
        losses, _ = self._losses(window, self._bank)
        best = int(losses.argmin())
        window.loss, window.best, window.seen = float(losses[best]), self._bank.strokes[best], self.strokes

    def _losses(self, window: Window, ink: Ink) -> tuple[Floats, NDArray[np.int32]]:
        """How much each stroke would change the sum of squared errors in its best color: losses ``[N]`` and levels
        ``[N, 3]``."""
        place = window.top, window.left, window.zoom
        under = self._cut(self._now, *place).reshape(self._seen**2, -1)
        apart = self._cut(self._wanted, *place).reshape(self._seen**2, -1) - under
        once = ink.alpha @ np.concatenate([apart, apart * under], 1)
        twice = ink.squared @ np.concatenate([under, under * under], 1)
        (along, with_under), (under_1, under_2) = np.split(once, 2, 1), np.split(twice, 2, 1)
        whole = np.maximum(ink.whole, np.float32(1e-6))
        levels = np.zeros((len(whole), 3), np.int32)
        colour = np.zeros_like(along)
        if self._levels:
            levels = ((along + under_1) / whole * (self._levels - 1)).round().clip(0, self._levels - 1).astype(np.int32)
            colour = (levels / (self._levels - 1)).astype(np.float32)
        change = colour**2 * whole - 2 * colour * (along + under_1) + 2 * with_under + under_2
        losses = change.sum(1) * window.zoom**2
        height, width = self.target.shape[:2]
        side = window.zoom * self._side
        inner = np.array([window.top > 0, window.top + side < height, window.left > 0, window.left + side < width])
        return np.where(((ink.beyond > SPILL) & inner).any(1), np.inf, losses), levels

    def _paint(self, window: Window) -> None:
        """Improve a window's best stroke and paint it."""
        stroke, near = window.best, 0.12
        best = self._pen.ink(stroke[None])
        least, levels = self._losses(window, best)
        loss, level = float(least[0]), levels[0]
        for _ in range(ROUNDS):
            tried = self._pen.ink(self._pen.changed(stroke, CHANGES, near, self._rng))
            losses, levels = self._losses(window, tried)
            found = int(losses.argmin())
            if losses[found] < loss:
                loss, stroke, level = float(losses[found]), tried.strokes[found], levels[found]
            near *= 0.7
        placed = self._placed(stroke, window)
        actions = [moves(placed, self._engine.spec)[0]]
        actions.append(paints(placed, self._engine.spec, level[None] if self._levels else None)[0])
        for action in actions:
            view = self._canvas.step(action[None])[0]
        self._actions += actions
        after = view.astype(np.float32) / 255
        half = self._seen // 2
        cells = (after != self._now).any(2).reshape(self._touched.shape[0], half, self._touched.shape[1], half)
        self._touched[cells.any((1, 3))] = self.strokes
        before, self._now = self.mse, after
        if (self.mse - before) * after.size > KEPT * loss:
            # At full size it looks different, and the same stroke would help no more. Until something else has changed
            # here, nothing is expected of this window.
            window.loss, window.seen = np.inf, self.strokes
            heapq.heapreplace(self._windows, window)

    def _placed(self, stroke: Strokes, window: Window) -> Strokes:
        """A window's stroke ``[5]`` in places and sizes of the canvas: ``[1, 5]``."""
        rows, columns = np.divmod(stroke[:3], self._pen.side)
        width = self.target.shape[1]
        places = (window.top + rows * window.zoom) * width + window.left + columns * window.zoom
        size = self._zoom_index[window.zoom] * self._sizes + stroke[SIZE]
        return np.concatenate([places, [size], stroke[SIZE + 1 :]])[None].astype(np.int32)


def paint_photo(
    trained: Trained,
    picture: NDArray[np.uint8],
    strokes: int,
    seed: int,
    say: Callable[[float], None] = lambda share: None,
) -> Photo:
    """Paint a picture ``[H, W, C]`` with at most ``strokes`` strokes; ``say`` receives the share done so far."""
    painter = PhotoPainter(trained, picture, seed)
    while painter.strokes < strokes and painter.advance():
        say(painter.strokes / strokes)
    return painter.finish()
