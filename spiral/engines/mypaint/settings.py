"""Settings of the engine ``mypaint``."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

TILE = 64
MAX_SIDE = 8192
"""Largest side of a canvas, pixels; its tiles take half a gibibyte."""
MAX_RADIUS = 1000.0
"""Largest radius that libmypaint paints, pixels."""
FEWEST_PLACES, MOST_PLACES = 4, 1024
"""In a row, and in a column."""
MAX_SIZES = 64
"""Size of the native module's table of radii."""

Side = Annotated[int, Field(ge=1, le=MAX_SIDE)]
Radius = Annotated[float, Field(gt=0, le=MAX_RADIUS, allow_inf_nan=False)]


class MyPaintSettings(BaseModel):
    """How the engine ``mypaint`` paints."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)

    brush: str = Field("classic/pen", min_length=1)
    """Name of a brush of the 1.x pack, or the path of a .myb file."""
    brush_sizes: tuple[Radius, ...] = Field((1.0, 2.0, 4.0, 8.0), min_length=1, max_length=MAX_SIZES)
    """Radii to choose from, pixels. With a single one there is no component ``size``."""
    interface: Literal["curve", "compound"] = "curve"
    """What an action is. ``curve``: one quadratic Bézier curve, or a move; ``compound``: a place of a cubic spline,
    which is painted when the next stroke begins (docs/method.md, 3)."""
    grid: int | tuple[int, int] = 32
    """Places per row and per column of ``end`` and ``control``, or how many rows and columns of them; on a canvas of
    another shape they are stretched. Policies choose among at most 64 × 64; more are for replay."""
    canvas: Side | tuple[Side, Side] = 64
    """Side of the canvas, or its height and width; multiples of 64 pixels, libmypaint's tile."""
    colour: bool = False
    """Components ``red``, ``green``, ``blue``, and pictures in RGB; otherwise black ink, and gray pictures."""
    pressure: bool = True
    """Component ``pressure`` of ten levels from 0.1 to 1; otherwise always 1."""
    background: Literal["white", "transparent"] = "white"
    """Blank canvas. On ``transparent``, pictures show the ink's color without its alpha, and black where there is no
    ink. Black ink does not show there, so a gray canvas needs white unless the brush changes color by itself."""
    alpha: bool = False
    """Keep the canvas' fourth channel: RGBA pictures, color not premultiplied. Needs ``colour``."""
    view: Side | tuple[Side, Side] | None = None
    """Height, or height and width, to which the canvas is averaged, channel by channel, for observations; it must
    divide the canvas. null: the canvas itself."""
    legacy_move: bool = False
    """After a move, remember y also as x, as the published environment does (for its snapshots)."""
    legacy_reset_mask: bool = False
    """The mask before the first action is that of a move, as published (for its snapshots), not all zero."""

    @property
    def canvas_size(self) -> tuple[int, int]:
        """Height and width of the canvas, pixels."""
        return self.canvas if isinstance(self.canvas, tuple) else (self.canvas, self.canvas)

    @property
    def lattice(self) -> tuple[int, int]:
        """Rows and columns of places."""
        return self.grid if isinstance(self.grid, tuple) else (self.grid, self.grid)

    @property
    def view_size(self) -> tuple[int, int]:
        """Height and width of the observation, pixels."""
        height, width = self.canvas_size
        if self.view is None:
            return height, width
        if isinstance(self.view, tuple):
            return self.view
        return self.view, width * self.view // height

    @property
    def channels(self) -> int:
        """1 gray, 3 RGB, 4 RGBA."""
        if self.alpha:
            return 4
        return 3 if self.colour else 1

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if not all(FEWEST_PLACES <= count <= MOST_PLACES for count in self.lattice):
            raise ValueError(f"grid: expected {FEWEST_PLACES}…{MOST_PLACES} places each way, but it is {self.grid}")
        height, width = self.canvas_size
        if height % TILE or width % TILE:
            raise ValueError(f"canvas: {height} × {width} is not made of {TILE}-pixel tiles; use multiples of {TILE}")
        rows, columns = self.view_size
        exact = not isinstance(self.view, int) or width * self.view % height == 0
        if not exact or not rows or not columns or height % rows or width % columns:
            raise ValueError(f"view: {self.view} does not divide the canvas, {height} × {width} pixels")
        if self.alpha and not self.colour:
            raise ValueError("alpha: true needs colour: true; a gray picture has one channel, the ink's")
        if self.legacy_move and self.interface != "curve":
            raise ValueError(f'legacy_move: true is of interface "curve"; "{self.interface}" has no such moves')
        return self
