"""Precision and recall by manifolds, beside the definition written out pair by pair."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from spiral.evaluation import manifold
from spiral.evaluation.manifold import inside


def slowly(points: NDArray[np.float64], support: NDArray[np.float64]) -> list[bool]:
    """Kynkäänniemi et al. 2019, equation 1, with k = 3."""
    reach = []
    for i, one in enumerate(support):
        others = sorted(np.linalg.norm(one - other) for j, other in enumerate(support) if j != i)
        reach.append(others[2])
    return [
        any(np.linalg.norm(point - one) <= far for one, far in zip(support, reach, strict=True)) for point in points
    ]


@pytest.mark.parametrize("rows", [1, 7, 512])
def test_it_is_the_definition_however_it_is_cut(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifold, "_ROWS", rows)
    rng = np.random.default_rng(1)
    painted, real = rng.normal(0.5, 1.2, (40, 3)), rng.normal(0, 1, (30, 3))
    for points, support in ((painted, real), (real, painted)):
        found = inside(points, support)
        assert found.tolist() == slowly(points, support)
        assert 0 < found.sum() < len(points)


def test_paintings_of_one_kind_are_precise_and_recall_little() -> None:
    rng = np.random.default_rng(0)
    real, other = rng.normal(0, 1, (2, 500, 4))
    collapsed = rng.normal(0, 0.05, (500, 4))
    assert inside(other, real).mean() > 0.9
    assert inside(collapsed, real).mean() == 1.0
    assert inside(real, collapsed).mean() < 0.05
    assert not inside(real + 100, real).any()


def test_three_pictures_span_no_manifold() -> None:
    with pytest.raises(ValueError, match="manifold: 3 pictures have no 3 neighbors; expected at least 4"):
        inside(np.zeros((5, 2)), np.zeros((3, 2)))
