"""What every engine offers."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from spiral.values.actions import ActionSpec


class EngineMissingError(RuntimeError):
    """This machine lacks something that an engine needs; the message says how to get it."""


class StoppedError(Exception):
    """A step was ended by :meth:`Canvases.stop`; the canvases are to be reset before they are painted on again."""


class Canvases(Protocol):
    """A batch of ``B`` canvases that are painted on in lockstep::

    frames = canvases.reset(seeds)
    for actions in program:
        frames = canvases.step(actions)
    """

    def reset(self, seeds: NDArray[np.int64], out: NDArray[np.uint8] | None = None) -> NDArray[np.uint8]:
        """Blank all canvases; ``seeds`` ``[B]`` → observations ``[B, H, W, C]``, in ``out`` where it is given."""
        ...

    def step(self, actions: NDArray[np.int32], out: NDArray[np.uint8] | None = None) -> NDArray[np.uint8]:
        """Execute one action on each canvas: ``[B, K]`` → observations ``[B, H, W, C]``, in ``out`` where given.

        ValueError that names component, value and range; then nothing is painted on any canvas. ValueError too where an
        action needs more work than is ever done for one, and StoppedError after :meth:`stop`; then the canvases are to
        be reset before they are painted on again.
        """
        ...

    def stop(self) -> None:
        """End the step under way, and any later one, within about a second; from any thread."""
        ...

    def canvas(self) -> NDArray[np.uint8]:
        """The canvases themselves, not their view: ``[B, canvas height, canvas width, C]``."""
        ...

    def close(self) -> None:
        """Free the canvases; using them afterwards is an error."""
        ...


class Engine(Protocol):
    """A graphics engine with fixed settings."""

    name: str
    spec: ActionSpec
    observation_shape: tuple[int, int, int]
    """``(H, W, C)`` of what the agent and the discriminator see."""
    canvas_shape: tuple[int, int, int]

    @property
    def version(self) -> str:
        """What decides the pixels: programs record it."""
        ...

    def differs(self, version: str) -> str | None:
        """What differs from the engine that had this ``version``, as a sentence; None if the pixels are the same.

        An empty version is unknown, and differs in nothing.
        """
        ...

    def open(self, batch: int, threads: int = 1) -> Canvases:
        """Make ``batch`` canvases that are stepped with ``threads`` threads."""
        ...

    def scaled(self, scale: int) -> Engine:
        """The same engine on a canvas ``scale`` times as large, whose strokes look the same."""
        ...
