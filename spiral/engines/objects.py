"""What an engine of objects offers beside painting: the list of objects that a picture shows, and pictures of lists."""

from __future__ import annotations

from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from spiral.engines.interface import Engine
from spiral.values.actions import Component


class Objects(NamedTuple):
    """The objects of ``B`` scenes."""

    attributes: NDArray[np.int32]
    """``[B, N, A]``, in the order of :attr:`ObjectEngine.attributes`; of each scene only the first ones are there."""
    counts: NDArray[np.int32]
    """How many are there, ``[B]``."""

    def take(self, rows: NDArray[np.int64] | slice) -> Objects:
        """Some of the scenes."""
        return Objects(self.attributes[rows], self.counts[rows])


@runtime_checkable
class ObjectEngine(Engine, Protocol):
    """An engine whose pictures show objects, so that a program can be judged object by object and searched for.

    The place of an object is the attribute that is a ``grid``; the others are choices.
    """

    attributes: tuple[Component, ...]
    """Of an object."""
    max_objects: int
    """In a scene."""
    color_attributes: tuple[str, ...]
    """Names of those that make up an object's color: one for each channel of the picture, which it alone decides."""

    def draw(self, objects: NDArray[np.int32], counts: NDArray[np.int32]) -> NDArray[np.uint8]:
        """Scenes ``[B, N, A]`` → observations ``[B, H, W, C]``; a scene has its first ``counts`` ``[B]`` objects."""
        ...

    def draw_and_count(
        self, objects: NDArray[np.int32], counts: NDArray[np.int32]
    ) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
        """As :meth:`draw`, and at how many pixels of the canvas each object is seen: ``[B, N]``."""
        ...

    def objects_of(self, actions: NDArray[np.int32]) -> Objects:
        """What programs ``[B, T, K]`` leave on the canvas."""
        ...

    def scatter(self, count: int, fewest: int, most: int, seed: int) -> Objects:
        """Random scenes of ``fewest`` to ``most`` objects, no two alike; the same for the same arguments."""
        ...
