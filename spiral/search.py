"""Betters programs by trial: a change at random is kept where the picture comes nearer to its target.

Nothing is learnt by it. It polishes a single painting after it was painted, and says how near to a target the best
program comes (``python -m benchmarks.within_reach``).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spiral.actions import ActionSpec
from spiral.engines import Engine
from spiral.evaluation.targets import mse
from spiral.machine import usable_cores

TRIES_AT_ONCE = 8
"""Changes of one program that are painted side by side, of which the best may be kept."""
WHOLE, NEAR = 0.3, 0.6
"""Share of the changes that make an action anew, and of those of one component that go to a neighbouring value."""


class Search:
    """The best programs so far for ``N`` targets."""

    def __init__(
        self, engine: Engine, targets: NDArray[np.uint8], programs: NDArray[np.int32], moves: str, seed: int
    ) -> None:
        """Begin with ``programs`` ``[N, T, K]`` for ``targets`` ``[N, H, W, C]``, the view's size.

        ``moves`` says which actions' flags may change: ``policy.moves`` of the configuration.
        """
        self._spec, self._moves = engine.spec, moves
        self._rng = np.random.default_rng(seed)
        self._wanted = targets.repeat(TRIES_AT_ONCE, 0)
        self._canvases = engine.open(len(self._wanted), usable_cores())
        self._programs = programs.transpose(1, 0, 2).copy()
        self.errors = self._paint(self._programs.repeat(TRIES_AT_ONCE, 1))[:, 0]
        """Mean squared error of each best program in the agent's view, pixels 0 to 1: ``[N]``."""

    @property
    def programs(self) -> NDArray[np.int32]:
        """The best programs: ``[N, T, K]``."""
        return self._programs.transpose(1, 0, 2)

    def advance(self, tries: int) -> None:
        """Try so many changes of each program, rounded up to a multiple of TRIES_AT_ONCE."""
        for _ in range(-(-tries // TRIES_AT_ONCE)):
            candidates = changed(self._programs.repeat(TRIES_AT_ONCE, 1), self._spec, self._moves, self._rng)
            errors = self._paint(candidates)
            best = errors.argmin(1)
            better = errors.min(1) < self.errors
            chosen = (np.arange(len(best)) * TRIES_AT_ONCE + best)[better]
            self._programs[:, better], self.errors[better] = candidates[:, chosen], errors.min(1)[better]

    def canvases(self) -> NDArray[np.uint8]:
        """What the best programs paint, not their view: uint8 ``[N, canvas height, canvas width, C]``."""
        self._paint(self._programs.repeat(TRIES_AT_ONCE, 1))
        return self._canvases.canvas()[::TRIES_AT_ONCE]

    def _paint(self, programs: NDArray[np.int32]) -> NDArray[np.float64]:
        """Errors ``[N, TRIES_AT_ONCE]`` of programs ``[T, N · TRIES_AT_ONCE, K]``."""
        frames = self._canvases.reset(np.zeros(programs.shape[1], np.int64))
        for actions in programs:
            frames = self._canvases.step(actions)
        return mse(frames, self._wanted).reshape(-1, TRIES_AT_ONCE)


def changed(programs: NDArray[np.int32], spec: ActionSpec, moves: str, rng: np.random.Generator) -> NDArray[np.int32]:
    """Each program ``[T, N, K]`` with one action, or one component of one action other than its flag, drawn anew."""
    programs = programs.copy()
    T, N, K = programs.shape
    everyone, action = np.arange(N), rng.integers(T, size=N)
    old, anew = programs[action, everyone], rng.integers(0, spec.sizes, (N, K), dtype=np.int32)
    near = np.where(rng.random((N, 1)) < NEAR, _neighbours(old, spec, rng), anew)
    one = np.arange(K) == rng.integers(min(1, K - 1), K, (N, 1))
    whole = rng.random((N, 1)) < WHOLE
    actions = np.where(whole, anew, np.where(one, near, old))
    flag_is_free = (moves == "free") | ((moves == "first") & (action == 0))
    actions[:, 0] = np.where(flag_is_free, actions[:, 0], old[:, 0])
    programs[action, everyone] = actions
    return programs


def _neighbours(actions: NDArray[np.int32], spec: ActionSpec, rng: np.random.Generator) -> NDArray[np.int32]:
    """Every component of actions ``[N, K]`` a step aside, at most: of places in both directions."""
    aside = np.empty_like(actions)
    for k, component in enumerate(spec.components):
        if component.kind == "grid":
            places = np.stack(np.divmod(actions[:, k], component.side)) + rng.integers(-1, 2, (2, len(actions)))
            row, column = places.clip(0, component.side - 1)
            aside[:, k] = row * component.side + column
        else:
            aside[:, k] = (actions[:, k] + rng.choice((-1, 1), len(actions))).clip(0, component.size - 1)
    return aside
