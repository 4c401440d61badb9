"""The engine: each action draws a dot or a row, or nothing."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from spiral.engines.interface import Canvases, Engine, StoppedError
from spiral.values.actions import ActionSpec, Component

GRID, GREYS = 8, (0, 85, 170)
DOT, NOTHING, ROW = range(3)


@dataclass(frozen=True)
class CrayonsSettings:
    side: int = 16
    greys: tuple = GREYS
    zoom: int = 1

    @classmethod
    def read(cls, settings):
        if unknown := set(settings) - {"side", "greys"}:
            raise ValueError(f'settings of engine "crayons": {min(unknown)} is unknown; expected side or greys')
        side, file = settings.get("side", cls.side), settings.get("greys")
        if side not in (16, 32, 64):
            raise ValueError(f'settings of engine "crayons": side: {side}; expected 16, 32 or 64')
        return cls(side, cls.greys if file is None else tuple(map(int, Path(file).read_text().split())))


class Crayons(Engine):
    name = "crayons"
    version = "crayons 1.0"

    def __init__(self, settings):
        self.settings = settings
        always, nothing = (True, True, True), (True, False, False)
        components = (Component("kind", 3, "choice"), Component("place", GRID**2, "grid"))
        grey = Component("grey", len(settings.greys), "choice")
        self.spec = ActionSpec((*components, grey), (always, nothing, always))
        self.observation_shape = (settings.side, settings.side, 1)
        self.canvas_shape = (settings.side * settings.zoom, settings.side * settings.zoom, 1)

    def differs(self, version):
        return None if version in ("", self.version) else f'drawn with "{version}", but here with "{self.version}"'

    def open(self, batch, threads=1):
        return CrayonsCanvases(self, batch)

    def scaled(self, scale):
        if not 1 <= scale <= 16:
            raise ValueError(f"scale: {scale}; expected 1…16")
        return Crayons(replace(self.settings, zoom=self.settings.zoom * scale))


class CrayonsCanvases(Canvases):
    def __init__(self, engine, batch):
        self._engine, self._stopped = engine, False
        self._pixels = np.full((batch, *engine.observation_shape), 255, np.uint8)

    def reset(self, seeds, out=None):
        self._pixels[:] = 255
        return self._seen(out)

    def step(self, actions, out=None):
        if self._stopped:
            raise StoppedError("stopped")
        self._engine.spec.validate(actions, "crayons")
        cell = self._engine.settings.side // GRID
        for canvas, (kind, place, grey) in zip(self._pixels, actions.tolist(), strict=True):
            row, column = cell * (place // GRID), cell * (place % GRID)
            if kind != NOTHING:
                canvas[row, column : column + 1 if kind == DOT else None] = self._engine.settings.greys[grey]
        return self._seen(out)

    def stop(self):
        self._stopped = True

    def canvas(self):
        zoom = self._engine.settings.zoom
        return self._pixels.repeat(zoom, 1).repeat(zoom, 2)

    def close(self):
        pass

    def _seen(self, out):
        if out is None:
            return self._pixels.copy()
        out[:] = self._pixels
        return out
