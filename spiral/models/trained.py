"""A run's policy so far and the engine that it paints on, whatever computes its network; needs no torch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from spiral.configuration.schema import RunConfig
from spiral.engines import Engine
from spiral.engines.programs import Program
from spiral.runs.directory import Run
from spiral.values.area_average import area_average

if TYPE_CHECKING:
    from spiral.datasets import Dataset
    from spiral.datasets.splits import Split


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained(ABC):
    """A policy and its engine, ready to paint."""

    config: RunConfig
    engine: Engine
    frames: int
    """Learned so far."""
    frames_before: int = 0
    """Learned frames of the model that the run began with."""
    temperature: float = 1.0
    """Temperature of the draws: 1 as in training; 0 always takes the likeliest action."""

    def paint(
        self, num: int, seed: int, targets: NDArray[np.uint8] | None = None
    ) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
        """Paint ``num`` pictures: canvases uint8 ``[num, H, W, C]`` and actions int32 ``[num, T, K]``.

        The same seed draws the same random numbers, whatever the weights. ValueError if targets are not the view's
        uint8 ``[num, H, W, C]``, if the policy needs targets and there are none, and the other way around.
        """
        self._check(num, targets)
        return self._paint(num, seed, targets)

    @abstractmethod
    def _paint(
        self, num: int, seed: int, targets: NDArray[np.uint8] | None
    ) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
        """As :meth:`paint`, with checked targets."""

    def _check(self, num: int, targets: NDArray[np.uint8] | None) -> None:
        if targets is not None and not self.config.conditional:
            raise ValueError("targets: given, but this policy paints from nothing and takes none")
        if targets is None and self.config.conditional:
            raise ValueError("targets: none given, but this policy paints after targets and needs them")
        shape = (num, *self.engine.observation_shape)
        if targets is not None and (targets.shape != shape or targets.dtype != np.uint8):
            raise ValueError(f"targets: {targets.dtype} {list(targets.shape)}; expected uint8 {list(shape)}")

    def program(self, actions: NDArray[np.int32]) -> Program:
        """The program of one picture, from its actions ``[T, K]``; its canvas has the engine's seed 0."""
        return Program.of(self.engine, self.config.engine.settings, actions)

    def view(self, canvases: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The observations of canvases: uint8 ``[N, H, W, C]``, the exact area average."""
        return area_average(canvases, self.engine.canvas_shape[0] // self.engine.observation_shape[0])

    def data(self, split: Split = "test") -> Dataset:
        """The run's data set in the view's size, with ``split``; ValueError if it is not on this machine.

        `train` is what the run learns from. If the run also learns from the validation pictures and they are asked for,
        it is the rest.
        """
        return self._data(self.engine.observation_shape, split)

    def canvas_data(self, split: Split = "test") -> Dataset:
        """The run's data set in the canvas's size."""
        return self._data(self.engine.canvas_shape, split)

    def _data(self, shape: tuple[int, int, int], split: Split) -> Dataset:
        from spiral.datasets import load  # noqa: PLC0415  (a tenth of a second, and few who paint need a data set)

        height, width, channels = shape
        held_out = self.config.hold_out_validation or split == "validation"
        return load(self.config.data, (height, width), colour=channels == 3, hold_out_validation=held_out)

    def before(self, data: str) -> Self:
        """A copy with another data set than it learned from, for its targets and for comparison."""
        return replace(self, config=self.config.model_copy(update={"data": data, "hold_out_validation": True}))


def nothing_learned(run: Run) -> ValueError:
    """The error for a run without a checkpoint."""
    return ValueError(f'run: "{run.name}" has no checkpoint yet; train it with: spiral train --run {run.name}')


def targets_for(trained: Trained, num: int, seed: int, split: Split = "test") -> NDArray[np.uint8] | None:
    """Targets of a split for a conditional run, uint8 ``[num, H, W, C]``; None for any other run."""
    if not trained.config.conditional:
        return None
    pictures, _ = trained.data(split).split(split)
    return pictures[target_rows(len(pictures), num, seed)]


def target_rows(count: int, num: int, seed: int) -> NDArray[np.int64]:
    """Which ``num`` of ``count`` pictures are the targets: ``[num]``, drawn with repetition."""
    return np.random.default_rng(seed).integers(count, size=num)
