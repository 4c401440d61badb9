"""Improves programs by trial: paints random changes and keeps the best one if it is nearer to its target.

Nothing is learned. The search polishes a finished painting, and measures how near to a target the best program comes
(``python -m benchmarks.within_reach``).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spiral.computing.machine import usable_threads
from spiral.engines import Engine
from spiral.evaluation.targets import mse
from spiral.values.actions import ActionSpec

TRIES_AT_ONCE = 8
"""Changes of one program painted side by side; the best may be kept."""
MOST_TARGETS = 512
"""An engine has at most 4,096 canvases."""
WHOLE, NEAR = 0.3, 0.6
"""Share of the changes that draw a whole action, and share of the one-component changes that move to a neighbor."""
_ASIDE = np.array([(row, column) for row in (-1, 0, 1) for column in (-1, 0, 1) if row or column])


class Search:
    """The best programs so far for ``N`` targets."""

    def __init__(
        self, engine: Engine, targets: NDArray[np.uint8], programs: NDArray[np.int32], moves: str, seed: int
    ) -> None:
        """Start from ``programs`` ``[N, T, K]`` for ``targets`` ``[N, H, W, C]``, the view's size.

        ``moves`` says which actions' flags may change: ``policy.moves`` of the configuration. Raises ValueError for
        more than MOST_TARGETS.
        """
        if len(targets) > MOST_TARGETS:
            raise ValueError(f"targets: {len(targets):,} at once are too many for a search; at most {MOST_TARGETS}")
        self._spec, self._moves = engine.spec, moves
        self._rng = np.random.default_rng(seed)
        self._wanted = targets.repeat(TRIES_AT_ONCE, 0)
        self._canvases = engine.open(len(self._wanted), usable_threads())
        self._programs = programs.transpose(1, 0, 2).copy()
        self._errors = self._paint(self._programs.repeat(TRIES_AT_ONCE, 1))[:, 0]
        self.tried = 0
        """Changes tried per program so far."""

    @property
    def programs(self) -> NDArray[np.int32]:
        """The best programs: ``[N, T, K]``."""
        return self._programs.transpose(1, 0, 2).copy()

    @property
    def errors(self) -> NDArray[np.float64]:
        """Mean squared error of each best program in the agent's view, pixels 0 to 1: ``[N]``."""
        return self._errors.copy()

    def advance(self, changes: int) -> None:
        """Try this many changes of each program, rounded up to a multiple of TRIES_AT_ONCE."""
        for _ in range(-(-changes // TRIES_AT_ONCE)):
            candidates = changed(self._programs.repeat(TRIES_AT_ONCE, 1), self._spec, self._moves, self._rng)
            errors = self._paint(candidates)
            best, least = errors.argmin(1), errors.min(1)
            better = least < self._errors
            chosen = (np.arange(len(best)) * TRIES_AT_ONCE + best)[better]
            self._programs[:, better], self._errors[better] = candidates[:, chosen], least[better]
            self.tried += TRIES_AT_ONCE

    def close(self) -> None:
        """Free the canvases; using them afterwards is an error."""
        self._canvases.close()

    def _paint(self, programs: NDArray[np.int32]) -> NDArray[np.float64]:
        """Errors ``[N, TRIES_AT_ONCE]`` of programs ``[T, N · TRIES_AT_ONCE, K]``."""
        frames = self._canvases.reset(np.zeros(programs.shape[1], np.int64))
        for actions in programs:
            frames = self._canvases.step(actions)
        return mse(frames, self._wanted).reshape(-1, TRIES_AT_ONCE)


def changed(programs: NDArray[np.int32], spec: ActionSpec, moves: str, rng: np.random.Generator) -> NDArray[np.int32]:
    """Each program ``[T, N, K]`` with one action drawn again, or with one of its components drawn again or stepped.

    That component is one that counts, and it is the flag only if no other counts. A flag changes only where ``moves``
    leaves it free.
    """
    programs = programs.copy()
    T, N, K = programs.shape
    everyone, action = np.arange(N), rng.integers(T, size=N)
    old = programs[action, everyone]
    sizes = np.array(spec.sizes, np.int32)
    other = (old + rng.integers(1, sizes, (N, K), dtype=np.int32)) % sizes
    near = np.where(rng.random((N, 1)) < NEAR, _neighbours(old, spec, rng), other)
    lots = np.where(spec.mask(old), rng.random((N, K)), -1)
    lots[:, 0] = 0  # the lowest lot, so that the flag loses to any other component that counts
    one = np.arange(K) == lots.argmax(1)[:, None]
    whole = rng.random((N, 1)) < WHOLE
    actions = np.where(whole, rng.integers(0, sizes, (N, K), dtype=np.int32), np.where(one, near, old))
    flag_is_free = (moves == "free") | ((moves == "first") & (action == 0))
    actions[:, 0] = np.where(flag_is_free, actions[:, 0], old[:, 0])
    programs[action, everyone] = actions
    return programs


def _neighbours(actions: NDArray[np.int32], spec: ActionSpec, rng: np.random.Generator) -> NDArray[np.int32]:
    """Moves every component of actions ``[N, K]`` one step, a place in one of eight directions. Edges reflect."""
    aside = np.empty_like(actions)
    for k, component in enumerate(spec.components):
        if component.kind == "grid":
            step = _ASIDE[rng.integers(len(_ASIDE), size=len(actions))].T
            rows, columns = component.lattice
            row, column = np.divmod(actions[:, k], columns)
            aside[:, k] = _stepped(row, step[0], rows) * columns + _stepped(column, step[1], columns)
        else:
            aside[:, k] = _stepped(actions[:, k], rng.choice((-1, 1), len(actions)), component.size)
    return aside


def _stepped(values: NDArray[np.int32], step: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    there = values + step
    return np.where((there < 0) | (there >= size), values - step, there)
