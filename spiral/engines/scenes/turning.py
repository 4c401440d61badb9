"""A scene seen from all sides."""

from __future__ import annotations

import io
import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from spiral.engines.scenes import geometry
from spiral.engines.scenes.drawing import draw_scenes
from spiral.engines.scenes.native_module import make_stage

FRAMES, MS = 48, 60
"""Frames of one turn, and how long each is shown."""
SIDE = 256
OVERSAMPLING = 2


def turn(objects: NDArray[np.int32], frames: int = FRAMES, side: int = SIDE) -> NDArray[np.uint8]:
    """Pictures of objects ``[N, 6]`` by a camera that goes once around the table: ``[frames, side, side, 3]``."""
    pictures = np.empty((frames, 1, side, side, 3), np.uint8)
    for frame, picture in enumerate(pictures):
        angle = 2 * math.pi * frame / frames
        camera = geometry.camera((math.cos(angle), math.sin(angle)))
        stage = make_stage(OVERSAMPLING * side, side, camera, tabulate=False)
        draw_scenes(stage, objects[None], np.array([len(objects)], np.int32), picture)
    return pictures[:, 0]


def turning_gif(objects: NDArray[np.int32], frames: int = FRAMES, side: int = SIDE) -> bytes:
    """An endless GIF of :func:`turn`."""
    first, *others = (Image.fromarray(frame) for frame in turn(objects, frames, side))
    file = io.BytesIO()
    first.save(file, "GIF", save_all=True, append_images=others, duration=MS, loop=0)
    return file.getvalue()
