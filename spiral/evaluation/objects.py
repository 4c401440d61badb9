"""How well programs of an engine of objects tell what a picture shows: each object beside the one that it stands for.

The objects that can be seen of a program are matched with the true ones, so that the pairs' differences are least
(Kuhn 1955, "The Hungarian method"): the distance of their places in cells, and 1 for each other attribute that differs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spiral.engines.objects import ObjectEngine, Objects
from spiral.evaluation.bootstrap import Estimate, estimate_by, weights_of
from spiral.evaluation.report import Figure
from spiral.extras import to_install
from spiral.values.actions import Component

NEAR = 1
"""Cells, along each side, up to which a place counts as right among "everything right"."""


@dataclass(frozen=True, slots=True)
class Matched:
    """The pairs of one picture."""

    found: NDArray[np.int32]
    """Objects of the program, ``[P, A]``."""
    true: NDArray[np.int32]
    """The true ones that they stand for, ``[P, A]``."""
    missed: NDArray[np.int32]
    """True ones for which no object was left, ``[M, A]``."""
    num_found: int
    """Of the program's objects, matched or not."""

    @property
    def num_true(self) -> int:
        """Of the true objects."""
        return len(self.true) + len(self.missed)


def visible(engine: ObjectEngine, objects: Objects) -> Objects:
    """Without the objects that others hide wholly."""
    seen = engine.draw_and_count(*objects)[1] > 0
    order = np.argsort(~seen, axis=1, kind="stable")
    return Objects(np.take_along_axis(objects.attributes, order[..., None], 1), seen.sum(1, dtype=np.int32))


def match(found: NDArray[np.int32], true: NDArray[np.int32], attributes: tuple[Component, ...]) -> Matched:
    """Match objects ``[M, A]`` with ``[N, A]``; min(M, N) pairs.

    ValueError, with the remedy, where scipy is not installed.
    """
    try:
        from scipy.optimize import linear_sum_assignment  # noqa: PLC0415  (an optional extra)
    except ModuleNotFoundError as error:
        raise ValueError(f"objects are matched by scipy, which is not installed: {to_install('train')}") from error
    rows, columns = linear_sum_assignment(_differences(found, true, attributes))
    return Matched(found[rows], true[columns], np.delete(true, columns, axis=0), len(found))


def _differences(
    found: NDArray[np.int32], true: NDArray[np.int32], attributes: tuple[Component, ...]
) -> NDArray[np.float64]:
    """Of each pair: ``[M, N]``."""
    total = np.zeros((len(found), len(true)))
    for k, component in enumerate(attributes):
        one, other = found[:, k, None], true[:, k]
        total += _cells(one, other, component) if component.kind == "grid" else one != other
    return total


def _cells(one: NDArray[np.int32], other: NDArray[np.int32], grid: Component) -> NDArray[np.float64]:
    distance: NDArray[np.float64] = np.hypot(one // grid.side - other // grid.side, one % grid.side - other % grid.side)
    return distance


def match_all(engine: ObjectEngine, found: Objects, truth: Objects) -> list[Matched]:
    """Match the visible objects of ``B`` programs with the true ones."""
    seen = visible(engine, found)
    pairs = zip(*seen, *truth, strict=True)
    return [match(f[:m], t[:n], engine.attributes) for f, m, t, n in pairs]


def right(matched: Matched, attributes: tuple[Component, ...]) -> dict[str, NDArray[np.bool_]]:
    """For each judged property, which pairs are right: bool ``[P]``. Places may be NEAR; the colors count as one."""
    verdicts = {}
    for k, component in enumerate(attributes):
        one, other = matched.found[:, k], matched.true[:, k]
        if component.kind == "grid":
            side = component.side
            away = np.maximum(abs(one // side - other // side), abs(one % side - other % side))
            verdicts[component.name] = away <= NEAR
        else:
            verdicts[component.name] = one == other
    return verdicts


def object_figures(engine: ObjectEngine, matches: list[Matched], seed: int) -> list[Figure]:
    """The figures of pictures whose objects are matched; intervals resample pictures."""
    attributes, colors = engine.attributes, engine.color_attributes
    grid = next(k for k, component in enumerate(attributes) if component.kind == "grid")
    pairs = np.array([len(one.found) for one in matches], float)
    true = np.array([one.num_true for one in matches], float)
    counted = np.array([abs(one.num_found - one.num_true) for one in matches], float)
    cells = np.array([_cells(one.found[:, grid], one.true[:, grid], attributes[grid]).sum() for one in matches])
    verdicts = [right(one, attributes) for one in matches]

    def hits(*names: str) -> NDArray[np.float64]:
        return np.array([np.logical_and.reduce([verdict[name] for name in names]).sum() for verdict in verdicts], float)

    choices = [c.name for c in attributes if c.kind == "choice" and c.name not in colors]
    weights = weights_of(len(matches), seed)

    def share(part: NDArray[np.float64], whole: NDArray[np.float64]) -> Estimate:
        """A ratio of sums, with its interval; 0 where there is nothing."""
        return estimate_by(lambda w: float(w @ part) / max(float(w @ whole), 1e-9), len(part), weights, least=0.0)

    return [
        Figure(
            "objects_right",
            f"share of objects with everything right (place within {NEAR} cell)",
            share(hits(*(c.name for c in attributes)), true),
            "higher",
        ),
        *(
            Figure(
                f"{name}_right", f"share of matched objects with the right {name}", share(hits(name), pairs), "higher"
            )
            for name in choices
        ),
        Figure("color_right", "share of matched objects with the right color", share(hits(*colors), pairs), "higher"),
        Figure("cell_distance", "mean distance of matched objects, cells", share(cells, pairs), "lower"),
        Figure(
            "count_error", "mean difference in the number of objects", share(counted, np.ones(len(matches))), "lower"
        ),
    ]
