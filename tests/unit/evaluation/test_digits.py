"""The Fréchet distance against slow truths, the LeNet, and what the report says."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spiral.datasets import Dataset, load
from spiral.datasets.views import resize
from spiral.evaluation.digits import DigitsReference, default_reference, evaluate_pictures, views_of_lenet
from spiral.evaluation.features import ink_of
from spiral.evaluation.frechet import Gaussian, frechet_distance, gaussian_of
from spiral.evaluation.lenet import LeNet, features_and_probabilities, load_lenet
from spiral.evaluation.lenet.make import test_accuracy as accuracy_on_test
from spiral.evaluation.lenet.make import train
from spiral.evaluation.targets import mse

DATA = Path(os.environ.get("SPIRAL_DATA", "/nonexistent"))
needs_mnist = pytest.mark.skipif(
    not (DATA / "mnist").is_dir(), reason="the full MNIST is not here: set SPIRAL_DATA to a folder with mnist/ in it"
)


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def sample() -> Dataset:
    return load("mnist-sample", 32)


@pytest.fixture(scope="module")
def reference(sample: Dataset) -> DigitsReference:
    return DigitsReference.of(sample)


def random_gaussian(seed: int, width: int, rank: int | None = None) -> Gaussian:
    rng = np.random.default_rng(seed)
    factor = rng.normal(size=(width, rank or width))
    return Gaussian(rng.normal(size=width), factor @ factor.T, 1000)


def slow_distance(one: Gaussian, other: Gaussian) -> float:
    """The formula with the root of Σ₁Σ₂ itself, by Denman and Beavers' iteration: slow, general, no eigenvalues."""
    root, inverse = one.covariance @ other.covariance, np.eye(len(one.mean))
    for _ in range(60):
        root, inverse = (root + np.linalg.inv(inverse)) / 2, (inverse + np.linalg.inv(root)) / 2
    apart = sum(float(a - b) ** 2 for a, b in zip(one.mean, other.mean, strict=True))
    return apart + float(np.trace(one.covariance + other.covariance - 2 * root))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), width=st.integers(1, 8))
def test_the_distance_is_the_formula(seed: int, width: int):
    one, other = random_gaussian(seed, width), random_gaussian(seed + 1, width)
    assert frechet_distance(one, other) == pytest.approx(slow_distance(one, other), rel=1e-4, abs=1e-4)


def test_the_distance_agrees_with_scipy():
    linalg = pytest.importorskip("scipy.linalg")
    one, other = random_gaussian(1, 64), random_gaussian(2, 64)
    root = linalg.sqrtm(one.covariance @ other.covariance).real
    expected = ((one.mean - other.mean) ** 2).sum() + np.trace(one.covariance + other.covariance - 2 * root)
    assert frechet_distance(one, other) == pytest.approx(expected, rel=1e-9)


@settings(deadline=None)
@given(
    means=st.tuples(st.floats(-5, 5), st.floats(-5, 5)),
    deviations=st.tuples(st.floats(0, 4), st.floats(0, 4)),
    width=st.integers(1, 6),
)
def test_round_gaussians_have_a_closed_form(means: tuple[float, float], deviations: tuple[float, float], width: int):
    """N(m·1, s²·I): width · ((m₁ − m₂)² + (s₁ − s₂)²)."""
    one, other = (
        Gaussian(np.full(width, mean), deviation**2 * np.eye(width), 1000)
        for mean, deviation in zip(means, deviations, strict=True)
    )
    expected = width * ((means[0] - means[1]) ** 2 + (deviations[0] - deviations[1]) ** 2)
    assert frechet_distance(one, other) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("rank", [3, 64])
def test_equal_gaussians_are_0_apart_even_singular_ones(rank: int):
    gaussian = random_gaussian(0, 64, rank)
    assert frechet_distance(gaussian, gaussian) == pytest.approx(0.0, abs=1e-5)
    assert frechet_distance(gaussian, random_gaussian(1, 64)) == pytest.approx(
        frechet_distance(random_gaussian(1, 64), gaussian), rel=1e-6
    )


def test_mean_and_covariance_are_numpys():
    features = np.random.default_rng(0).normal(size=(50, 5))
    gaussian = gaussian_of(features)
    np.testing.assert_allclose(gaussian.mean, features.mean(0))
    np.testing.assert_allclose(gaussian.covariance, np.cov(features, rowvar=False))


@pytest.mark.parametrize(
    ("features", "says"),
    [
        (np.zeros((64, 64)), "64 are too few for a covariance of 64×64; expected at least 65"),
        (np.zeros(64), r"shape \[64\]"),
        (np.full((70, 64), np.nan), "NaN or infinite"),
    ],
)
def test_features_without_a_covariance_are_refused(features: np.ndarray, says: str):
    with pytest.raises(ValueError, match=says):
        gaussian_of(features)


def test_the_lenet_is_the_one_described():
    network = LeNet()
    assert [tuple(weights.shape) for name, weights in network.named_parameters() if name.endswith("weight")] == [
        (16, 1, 5, 5),
        (32, 16, 3, 3),
        (64, 32, 3, 3),
        (64, 1024),
        (10, 64),
    ]
    features, probabilities = features_and_probabilities(load_lenet(), load("mnist-sample", 32).test[:70])
    assert features.shape == (70, 64)
    assert features.min() == 0.0  # after the ReLU
    np.testing.assert_allclose(probabilities.sum(1), 1.0)


def test_white_paper_is_0_and_black_ink_is_1():
    images = np.full((1, 32, 32, 1), 255, np.uint8)
    images[0, 3, 4] = 0
    ink = ink_of(images, 1)
    assert ink.sum() == 1.0
    assert ink[0, 0, 3, 4] == 1.0
    with pytest.raises(ValueError, match=r"sees uint8 \[N, 32, 32, 1\]"):
        ink_of(np.zeros((1, 28, 28, 1), np.uint8), 1)


def test_damaged_weights_are_refused(tmp_path: Path):
    damaged = tmp_path / "lenet.safetensors"
    damaged.write_bytes(b"not weights")
    with pytest.raises(ValueError, match=r"lenet\.safetensors: not the weights of LeNet"):
        load_lenet(damaged)


def test_the_shipped_weights_read_digits(sample: Dataset):
    assert accuracy_on_test(load_lenet(), sample) > 0.985


@needs_mnist
def test_the_shipped_weights_reach_99_percent_and_real_digits_are_close():
    data = load("mnist", 32, root=DATA)
    reference = DigitsReference.of(data)
    assert accuracy_on_test(reference.network, data) >= 0.99
    digits = data.train[-4096:]
    padded = reference.evaluate(digits)
    stretched = reference.evaluate(resize(digits[:, 2:30, 2:30], 32, 32))
    assert (padded.n, padded.real_n, padded.reference_size) == (4096, 4096, 10_000)
    assert 1 < padded.real_fid < 5
    assert padded.lenet_fid < 10
    assert stretched.lenet_fid > 50
    assert "stand in" not in padded.text


def test_the_script_learns(sample: Dataset):
    labels = sample.train_labels
    assert labels is not None
    few = dataclasses.replace(sample, train=sample.train[:2048], train_labels=labels[:2048])
    _, accuracy = train(few, epochs=2)
    assert accuracy > 0.3  # chance is 0.1


def test_real_digits_are_nearer_than_anything_else(sample: Dataset, reference: DigitsReference):
    real = reference.evaluate(sample.train[5000:6000])
    blurred = reference.evaluate(load("mnist-sample", 16).train[5000:6000])
    noise = reference.evaluate(np.random.default_rng(0).integers(0, 256, (1000, 32, 32, 1), dtype=np.uint8))
    blank = reference.evaluate(np.full((1000, 32, 32, 1), 255, np.uint8))
    assert real.lenet_fid < blurred.lenet_fid < noise.lenet_fid
    assert blurred.lenet_fid < blank.lenet_fid
    assert real.real_fid < blurred.lenet_fid


def test_the_report_says_what_it_was_measured_against(sample: Dataset, reference: DigitsReference, tmp_path: Path):
    report = evaluate_pictures(sample.train[:500], reference)
    assert sum(report.class_histogram) == report.n == report.real_n == 500
    assert report.class_histogram == pytest.approx(np.bincount(sample.train_labels[:500]), abs=10)
    assert report.mean_top_probability > 0.9
    assert "1,000 test digits of mnist-sample; they stand in for those of mnist" in report.text
    assert json.loads(json.dumps(report.as_dict()))["reference"] == "mnist-sample"
    assert default_reference(tmp_path).name == "mnist-sample"  # no MNIST there


def test_larger_and_coloured_pictures_are_brought_to_32_grey(sample: Dataset, reference: DigitsReference):
    small = sample.train[:100]
    doubled = small.repeat(2, axis=1).repeat(2, axis=2)
    np.testing.assert_array_equal(views_of_lenet(doubled), small)
    assert reference.evaluate(doubled.repeat(3, axis=3)) == reference.evaluate(small)


@pytest.mark.parametrize(
    ("images", "says"),
    [
        (np.zeros((100, 32, 64, 1), np.uint8), "digits need square ones"),
        (np.zeros((100, 32, 32), np.uint8), r"uint8 \[100, 32, 32\]"),
        (np.zeros((100, 32, 32, 1), np.float32), "float32"),
        (np.zeros((0, 32, 32, 1), np.uint8), "0 of 32×32"),
        (np.zeros((64, 32, 32, 1), np.uint8), "expected at least 65"),
    ],
)
def test_pictures_that_cannot_be_compared_are_refused(reference: DigitsReference, images: np.ndarray, says: str):
    with pytest.raises(ValueError, match=says):
        reference.evaluate(images)


def test_mse_against_a_slow_loop():
    rng = np.random.default_rng(0)
    images, targets = rng.integers(0, 256, (2, 3, 4, 5, 2), dtype=np.uint8)
    for n, error in enumerate(mse(images, targets)):
        squares = [
            (int(images[n, y, x, c]) / 255 - int(targets[n, y, x, c]) / 255) ** 2 for y, x, c in np.ndindex(4, 5, 2)
        ]
        assert error == pytest.approx(sum(squares) / len(squares), rel=1e-12)
    assert mse(np.zeros_like(images), np.full_like(images, 255)).tolist() == [1.0, 1.0, 1.0]
    with pytest.raises(ValueError, match="of one shape"):
        mse(images, targets[:2])
