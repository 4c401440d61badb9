"""The interface of every engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from spiral.values.actions import ActionSpec
from spiral.values.drawing import Drawing


class EngineMissingError(RuntimeError):
    """This machine lacks something that an engine needs; the message says how to get it."""


class StoppedError(Exception):
    """:meth:`Canvases.stop` ended a step; the canvases must be reset before they are painted on again."""


class Canvases(Protocol):
    """A batch of ``B`` canvases that are painted on in lockstep::

        frames = canvases.reset(seeds)
        for actions in program:
            frames = canvases.step(actions)

    Actions are int32 ``[B, K]``: one for each canvas.
    """

    def reset(self, seeds: NDArray[np.int64], out: NDArray[np.uint8] | None = None) -> NDArray[np.uint8]:
        """Blank all canvases; ``seeds`` ``[B]`` → observations ``[B, H, W, C]``, in ``out`` if it is given."""
        ...

    def step(self, actions: NDArray[np.int32], out: NDArray[np.uint8] | None = None) -> NDArray[np.uint8]:
        """Execute one action on each canvas: ``[B, K]`` → observations ``[B, H, W, C]``, in ``out`` if it is given.

        ValueError that names component, value and range; then nothing is painted on any canvas. Also ValueError if an
        action would need more work than the engine's limit, and StoppedError after :meth:`stop`; then the canvases must
        be reset before they are painted on again.
        """
        ...

    def stop(self) -> None:
        """End the current step, and any later one, within about a second. May be called from any thread."""
        ...

    def canvas(self) -> NDArray[np.uint8]:
        """The canvases themselves, not the observations: ``[B, canvas height, canvas width, C]``."""
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
        """The version that decides the pixels; programs record it."""
        ...

    def differs(self, version: str) -> str | None:
        """A sentence about what differs from the engine with this ``version``; None if the pixels are the same.

        An empty version is unknown and counts as equal.
        """
        ...

    def open(self, batch: int, threads: int = 1) -> Canvases:
        """Make ``batch`` canvases that are stepped with ``threads`` threads."""
        ...

    def scaled(self, scale: int) -> Engine:
        """The same engine on a canvas ``scale`` times as large, whose strokes look the same."""
        ...

    # What only some engines have; those that inherit from this class need not name it.

    digests: Mapping[str, str] = MappingProxyType({})
    """SHA-256 (hex, 64 digits) of the files behind settings, by setting, for example that of a brush."""

    def transparent(self) -> Engine:
        """The same engine without paper under its strokes: RGBA pictures. ValueError where it has none such."""
        raise ValueError(f'transparent: the engine "{self.name}" paints on paper only')

    def drawing(self, actions: NDArray[np.int32]) -> Drawing | None:
        """What ``actions`` ``[T, K]`` paint on a blank canvas, as strokes of pens; None where there are no strokes."""
        return None

    def formats(self) -> Mapping[str, Callable[[NDArray[np.int32]], bytes]]:
        """File formats of the engine's own: by ending, what makes a file of ``actions`` ``[T, K]``.

        An ending may have two parts (``.turn.gif``).
        """
        return {}
