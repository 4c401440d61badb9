"""SSIM, kernel distance, diversity and resampling against slow loops that mirror their formulas."""

from __future__ import annotations

import numpy as np
import pytest

from spiral.evaluation.bootstrap import estimate_mean, weights_of
from spiral.evaluation.diversity import classes_covered, mean_pairwise, pairwise_distances
from spiral.evaluation.kernel import RealKernel, kernel_distances
from spiral.evaluation.targets import ssim


def slow_ssim(one: np.ndarray, other: np.ndarray) -> float:
    """Equation 13 at each place of each channel, weight by weight: slow, and nothing is shared with the fast one."""
    places = [np.exp(-((k - 5) ** 2) / (2 * 1.5**2)) for k in range(11)]
    weights = np.outer(places, places) / sum(places) ** 2
    values = []
    height, width, channels = one.shape
    for y, x, c in np.ndindex(height - 10, width - 10, channels):
        a = one[y : y + 11, x : x + 11, c].astype(float)
        b = other[y : y + 11, x : x + 11, c].astype(float)
        mean_a, mean_b = (weights * a).sum(), (weights * b).sum()
        variance_a, variance_b = (weights * (a - mean_a) ** 2).sum(), (weights * (b - mean_b) ** 2).sum()
        covariance = (weights * (a - mean_a) * (b - mean_b)).sum()
        c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
        values.append(
            (2 * mean_a * mean_b + c1)
            * (2 * covariance + c2)
            / ((mean_a**2 + mean_b**2 + c1) * (variance_a + variance_b + c2))
        )
    return float(np.mean(values))


@pytest.mark.parametrize("channels", [1, 3])
def test_ssim_against_a_slow_loop(channels: int):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (2, 14, 13, channels), dtype=np.uint8)
    targets = (images // 2 + rng.integers(0, 100, images.shape)).astype(np.uint8)
    expected = [slow_ssim(image, target) for image, target in zip(images, targets, strict=True)]
    np.testing.assert_allclose(ssim(images, targets), expected, rtol=1e-9)
    np.testing.assert_allclose(ssim(images, images), 1.0)
    with pytest.raises(ValueError, match="its window needs 11×11"):
        ssim(images[:, :10], targets[:, :10])


def slow_kernel_distance(painted: list[np.ndarray], real: list[np.ndarray], numbers: list[int]) -> float:
    """Equation 4 of the kernel distance as three means over pairs; `numbers` says of which picture a row is."""

    def k(x: np.ndarray, y: np.ndarray) -> float:
        return float((x @ y / len(x) + 1) ** 3)

    pairs = [k(painted[i], painted[j]) for i, a in enumerate(numbers) for j, b in enumerate(numbers) if a != b]
    among_real = [k(x, y) for i, x in enumerate(real) for j, y in enumerate(real) if i != j]
    across = [k(x, y) for x in painted for y in real]
    return float(np.mean(pairs) + np.mean(among_real) - 2 * np.mean(across))


def test_kernel_distance_against_a_slow_loop_also_resampled():
    rng = np.random.default_rng(1)
    painted, real = rng.normal(size=(7, 4)), rng.normal(1.0, 2.0, size=(9, 4))
    drawn = [0, 0, 0, 2, 3, 6, 6]
    weights = np.stack([np.ones(7), np.bincount(drawn, minlength=7).astype(float)])
    found = kernel_distances(painted, RealKernel.of(real), weights)
    assert found[0] == pytest.approx(slow_kernel_distance(list(painted), list(real), list(range(7))), rel=1e-9)
    assert found[1] == pytest.approx(slow_kernel_distance([painted[i] for i in drawn], list(real), drawn), rel=1e-9)
    with pytest.raises(ValueError, match="1 pictures have no pair"):
        RealKernel.of(real[:1])


def test_kernel_distance_of_many_rows_is_that_of_few_blocks():
    rng = np.random.default_rng(2)
    painted, real = rng.normal(size=(1100, 3)), rng.normal(size=(40, 3))
    values = (painted @ painted.T / 3 + 1) ** 3
    whole = (values.sum() - np.trace(values)) / (1100 * 1099)
    kernel = RealKernel.of(real)
    expected = whole + kernel.among_pairs - 2 * ((painted @ real.T / 3 + 1) ** 3).mean()
    assert kernel_distances(painted, kernel, np.ones((1, 1100)))[0] == pytest.approx(expected, rel=1e-9)


def test_equal_distributions_have_a_kernel_distance_of_about_0_and_others_more():
    rng = np.random.default_rng(3)
    kernel = RealKernel.of(rng.normal(size=(800, 8)))
    same = kernel_distances(rng.normal(size=(800, 8)), kernel, np.ones((1, 800)))[0]
    other = kernel_distances(rng.normal(0.5, 1, size=(800, 8)), kernel, np.ones((1, 800)))[0]
    assert abs(same) < 0.05 < other


def test_mean_pairwise_distance_against_a_slow_loop():
    images = np.random.default_rng(4).integers(0, 256, (5, 4, 3, 3), dtype=np.uint8)
    apart = [
        np.sqrt((((one.astype(float) - other) / 255) ** 2).mean())
        for i, one in enumerate(images)
        for j, other in enumerate(images)
        if i != j
    ]
    distances = pairwise_distances(images)
    assert mean_pairwise(distances, np.ones((1, 5)))[0] == pytest.approx(np.mean(apart), rel=1e-9)
    repeated = mean_pairwise(distances, np.array([[2.0, 1.0, 0, 0, 0]]))[0]
    assert repeated == pytest.approx(distances[0, 1])  # a picture is not paired with its own copy
    with pytest.raises(ValueError, match="1 pictures have no pair"):
        mean_pairwise(distances[:1, :1], np.ones((1, 1)))


def test_classes_covered_need_one_in_a_hundred():
    once = np.ones((1, 1005))
    assert classes_covered(np.repeat(np.arange(4), [500, 490, 10, 5]), 10, once) == [2]
    assert classes_covered(np.repeat(np.arange(4), [500, 485, 12, 8]), 10, once) == [3]
    few = np.array([0, 0, 3])
    assert classes_covered(few, 10, np.array([[1.0, 1, 1], [2, 1, 0], [0, 0, 3]])).tolist() == [2, 1, 1]


def test_the_interval_of_a_mean_is_the_one_of_theory():
    values = np.random.default_rng(5).normal(3.0, 2.0, 400)
    found = estimate_mean(values, weights_of(400, seed=0, resamples=4000))
    error = 1.96 * values.std() / np.sqrt(400)
    assert found.value == pytest.approx(values.mean())
    assert found.low == pytest.approx(values.mean() - error, abs=0.1 * error)
    assert found.high == pytest.approx(values.mean() + error, abs=0.1 * error)
    assert estimate_mean(values, weights_of(400, seed=0, resamples=4000)) == found
