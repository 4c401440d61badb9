"""Blocked Metropolis–Hastings over lists of objects: the baseline of Ganin et al. 2018, figure 9.

A scene has a number of slots, each empty or filled. A priori, every slot is filled with probability ½, and all objects
are equally likely. Pixels are Gaussian around those of the scene. A step chooses one slot. It proposes to fill an empty
slot with a random object, and either to empty a filled slot or to draw one block of its object's attributes again. The
paper specifies only the blocks, the variance, 0.25, and the number of slots, 20.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from spiral.engines.objects import ObjectEngine, Objects

VARIANCE = 0.25
"""Variance of one channel of a pixel, whose range is 0 … 1."""


class Chains:
    """One chain for each of ``B`` targets. They step together, so that the engine draws all proposals at once."""

    def __init__(
        self,
        engine: ObjectEngine,
        targets: NDArray[np.uint8],
        seed: int,
        start: Objects | None = None,
        variance: float = VARIANCE,
    ) -> None:
        """``targets``: uint8 ``[B, H, W, C]``; ``start``: the first scenes; empty ones by default."""
        count, slots = len(targets), engine.max_objects
        self._engine = engine
        self._random = np.random.default_rng(seed)
        self._sizes = [component.size for component in engine.attributes]
        self._blocks = blocks(engine)
        self._targets = targets.reshape(count, -1).astype(np.float32)
        self._chain = np.arange(count)
        self._scale = 1 / (2 * variance * 255**2)
        self.filled = np.zeros((count, slots), np.bool_)
        self.attributes = np.zeros((count, slots, len(self._sizes)), np.int32)
        if start is not None:
            length = start.attributes.shape[1]
            self.attributes[:, :length] = start.attributes
            self.filled[:, :length] = np.arange(length) < start.counts[:, None]
        self.errors = self._errors(self.filled, self.attributes)
        """Sum over pixels of the squared difference, 0 … 255, ``[B]``."""
        self.least = self.errors.copy()
        self._best = self.filled.copy(), self.attributes.copy()

    def step(self) -> NDArray[np.bool_]:
        """Propose one change in each chain, at the cost of one evaluation; returns which were accepted, ``[B]``."""
        random, chain = self._random, self._chain
        slot = random.integers(self.filled.shape[1], size=len(chain))
        # The first choice, 0, takes the object away.
        choice = random.integers(len(self._blocks) + 1, size=len(chain))
        fresh = random.integers(0, self._sizes, (len(chain), len(self._sizes)))
        luck = np.log(random.uniform(size=len(chain)))

        there = self.filled[chain, slot]
        anew = np.where(there[:, None], np.concatenate([self._blocks[:1] & False, self._blocks])[choice], True)
        filled, attributes = self.filled.copy(), self.attributes.copy()
        filled[chain, slot] = ~there | (choice > 0)
        attributes[chain, slot] = np.where(anew, fresh, self.attributes[chain, slot])
        errors = self._errors(filled, attributes)
        # The proposal for an empty slot always fills it; one of the choices for a filled slot empties it.
        ways = math.log(len(self._blocks) + 1)
        back = np.where(~there, -ways, np.where(choice == 0, ways, 0))
        accepted: NDArray[np.bool_] = luck < (self.errors - errors) * self._scale + back
        self.filled[accepted], self.attributes[accepted] = filled[accepted], attributes[accepted]
        self.errors = np.where(accepted, errors, self.errors)
        better = self.errors < self.least
        self.least = np.where(better, self.errors, self.least)
        self._best[0][better], self._best[1][better] = self.filled[better], self.attributes[better]
        return accepted

    @property
    def best(self) -> Objects:
        """The likeliest scene that each chain has visited."""
        return packed(*self._best)

    def _errors(self, filled: NDArray[np.bool_], attributes: NDArray[np.int32]) -> NDArray[np.float64]:
        apart = self._engine.draw(*packed(filled, attributes)).reshape(len(filled), -1) - self._targets
        errors: NDArray[np.float64] = np.einsum("bp,bp->b", apart, apart).astype(np.float64)
        return errors


def blocks(engine: ObjectEngine) -> NDArray[np.bool_]:
    """Which attributes are drawn together: bool ``[blocks, A]``. Each attribute is a block; the color is one block."""
    names = [component.name for component in engine.attributes]
    alone = [[name == other for other in names] for name in names if name not in engine.color_attributes]
    return np.array([*alone, [name in engine.color_attributes for name in names]])


def packed(filled: NDArray[np.bool_], attributes: NDArray[np.int32]) -> Objects:
    """Slots ``[B, S]`` and their contents ``[B, S, A]`` as scenes, in the order of the slots."""
    counts = filled.sum(1, dtype=np.int32)
    order = np.argsort(~filled, axis=1, kind="stable")[:, : max(1, counts.max(initial=0))]
    return Objects(np.take_along_axis(attributes, order[..., None], 1), counts)


def metropolis(
    engine: ObjectEngine,
    targets: NDArray[np.uint8],
    seed: int,
    after: Sequence[int],
    start: Objects | None = None,
) -> Iterator[tuple[int, Objects]]:
    """Search, and yield the likeliest scenes so far after each of these rising numbers of evaluations, at least 1."""
    chains, done = Chains(engine, targets, seed, start), 1
    for evaluations in after:
        for _ in range(evaluations - done):
            chains.step()
        done = max(done, evaluations)
        yield evaluations, chains.best
