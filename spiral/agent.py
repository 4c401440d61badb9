"""Trained models as Python objects::

    agent = spiral.load("omniglot-reconstruct")
    program = agent.reconstruct("letter.png")
    program.render(scale=8)  # uint8 [512, 512, 1]
    program.save("letter.json")

`spiral.load` finds a model that ships, or one in a folder.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from spiral.datasets import views
from spiral.datasets.decoding import on_white
from spiral.datasets.picture_file import decode_picture, read_picture
from spiral.engines.programs import Program
from spiral.models import find_model
from spiral.models.loading import Device, load_painter
from spiral.models.trained import Trained
from spiral.reconstruction.attempts import reconstruct
from spiral.reconstruction.photos import MOST_STROKES, paint_photo
from spiral.reconstruction.targets import Fit, target_of

if TYPE_CHECKING:
    from PIL.Image import Image

    Picture = str | Path | Image | NDArray[np.uint8]


class Agent:
    """A trained model, ready to paint; :func:`load` makes it."""

    def __init__(self, name: str, trained: Trained) -> None:
        self.name = name
        self._trained = trained

    def __repr__(self) -> str:
        return f'<spiral.Agent "{self.name}", {self._trained.frames:,} learned frames>'

    @property
    def conditional(self) -> bool:
        """Whether it paints after pictures (:meth:`reconstruct`); otherwise from nothing (:meth:`paint`)."""
        return self._trained.config.conditional

    def paint(self, num: int = 1, *, seed: int = 0) -> list[Program]:
        """Paint ``num`` pictures from nothing; ValueError if the model needs a picture to paint after."""
        if num < 1:
            raise ValueError(f"num: {num} pictures; expected at least 1")
        _, actions = self._trained.paint(num, seed)
        return [self._trained.program(program) for program in actions]

    def reconstruct(
        self,
        image: Picture,
        *,
        attempts: int = 16,
        refine: int = 0,
        seed: int = 0,
        fit: Fit | Literal["tile"] | None = None,
        strokes: int = 400,
    ) -> Program:
        """Paint after a picture ``attempts`` times; the program of the painting with the least squared error.

        ``image``: a file's path, a Pillow image, or uint8 ``[H, W]`` or ``[H, W, 1, 3 or 4]``, of any size from 8
        pixels; drawings should be dark on white. ``refine``: changes that a search tries on the best painting.
        ``fit``: ``crop`` cuts pictures of another shape than the view, ``pad`` gives them white margins; None: as suits
        the pictures that it learned from. ``tile`` paints one large canvas of nearly the picture's shape with at most
        ``strokes`` strokes, and has no attempts. ValueError if the model paints from nothing, or it is no such picture.
        """
        if attempts < 1 or refine < 0 or not 1 <= strokes <= MOST_STROKES:
            raise ValueError(
                f"attempts: {attempts}, refine: {refine}, strokes: {strokes}; expected at least 1, at least 0, and "
                f"1…{MOST_STROKES}"
            )
        if not self.conditional:
            raise ValueError(f"reconstruct: {self.name} paints from nothing and takes no picture; use paint")
        picture = _pixels(image, self._trained.engine.observation_shape[2])
        if fit == "tile":
            return paint_photo(self._trained, picture, strokes, seed).program
        target = target_of(picture, self._trained, fit)
        return reconstruct(self._trained, target.picture, attempts, seed, refine).program


def load(name: str | Path, *, device: Device = "auto") -> Agent:
    """A model that ships, by name, or the model in a folder; ValueError if there is none or it is damaged.

    ``device``: as for ``spiral paint``; ``auto`` and ``cpu`` need no torch.
    """
    return Agent(str(name), load_painter(find_model(str(name)), device))


def _pixels(image: Any, channels: int) -> NDArray[np.uint8]:
    """Any picture as uint8 ``[H, W, channels]``; ValueError if it is none."""
    if isinstance(image, str | Path):
        return read_picture(Path(image), channels)
    if not isinstance(image, np.ndarray) and hasattr(image, "save"):  # Pillow's, of whatever mode
        file = io.BytesIO()
        image.save(file, "PNG")
        return decode_picture(file.getvalue(), "image", channels)
    array = np.asarray(image)
    if array.ndim == 2:
        array = array[:, :, None]
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] not in (1, 3, 4) or min(array.shape[:2]) < 8:
        raise ValueError(
            f"image: {array.dtype} {list(array.shape)}; expected uint8 [H, W] or [H, W, 1, 3 or 4] of at least 8×8"
        )
    opaque = on_white(array[None]) if array.shape[2] == 4 else array[None]
    pixels: NDArray[np.uint8] = views.with_channels(opaque, channels)[0]
    return pixels
