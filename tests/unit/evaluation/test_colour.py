"""The encoder of color pictures: the network described, the shipped weights, and a script that learns."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from spiral.datasets import load
from spiral.datasets.views import resize
from spiral.evaluation.colour import ColourEncoder, colour_features, load_colour_encoder
from spiral.evaluation.colour.make import nt_xent, train
from spiral.evaluation.features import FEATURES, ink_of
from spiral.evaluation.frechet import frechet_distance, gaussian_of

DATA = Path(os.environ.get("SPIRAL_DATA", "/nonexistent"))


pytestmark = pytest.mark.usefixtures("one_thread")


def discs(count: int, seed: int) -> np.ndarray:
    """Coloured discs on white, uint8 [count, 32, 32, 3]."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:32, :32]
    images = np.full((count, 32, 32, 3), 255, np.uint8)
    for image in images:
        (cy, cx), radius = rng.uniform(8, 24, 2), rng.uniform(3, 9)
        image[(y - cy) ** 2 + (x - cx) ** 2 < radius**2] = rng.integers(0, 200, 3)
    return images


def test_the_encoder_is_the_one_described_and_white_is_0():
    shapes = [tuple(weights.shape) for name, weights in ColourEncoder().named_parameters() if name.endswith("weight")]
    assert shapes == [(32, 3, 5, 5), (64, 32, 3, 3), (128, 64, 3, 3), (64, 2048)]
    images = np.full((1, 32, 32, 3), 255, np.uint8)
    images[0, 3, 4, 1] = 0
    ink = ink_of(images, 3)
    assert ink.sum() == ink[0, 1, 3, 4] == 1.0
    with pytest.raises(ValueError, match=r"sees uint8 \[N, 32, 32, 3\]"):
        ink_of(np.zeros((1, 32, 32, 1), np.uint8), 3)


def test_damaged_weights_are_refused(tmp_path: Path):
    damaged = tmp_path / "colour.safetensors"
    damaged.write_bytes(b"not weights")
    with pytest.raises(ValueError, match=r"colour\.safetensors: not the weights of ColourEncoder"):
        load_colour_encoder(damaged)


@pytest.mark.timeout(600)
def test_the_shipped_weights_measure_growing_harm():
    network = load_colour_encoder()
    real = discs(1000, 0)
    reference = gaussian_of(colour_features(network, real[:500]))

    def distance(images: np.ndarray) -> float:
        return frechet_distance(gaussian_of(colour_features(network, images)), reference)

    same = distance(real[500:])
    noise = np.random.default_rng(1).normal(size=real[500:].shape)
    noisy = [distance((real[500:] + sigma * noise).clip(0, 255).astype(np.uint8)) for sigma in (32, 64)]
    assert same < noisy[0] < noisy[1]
    assert same < distance(real[500:][..., ::-1] // 2 + 127) < distance(np.full_like(real[500:], 255))


@pytest.mark.skipif(
    not ((DATA / "faces").is_dir() and (DATA / "emoji").is_dir()),
    reason="the color sets are not here: set SPIRAL_DATA to a folder with emoji/ and faces/ in it",
)
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_real_pictures_are_near_each_other_and_changed_ones_are_not():
    network = load_colour_encoder()
    for name in ("emoji", "faces"):
        data = load(name, 32, colour=True, root=DATA)
        features = [colour_features(network, images) for images in (data.train, data.test)]
        reference, real = gaussian_of(features[1]), gaussian_of(features[0])
        blurred = gaussian_of(colour_features(network, resize(resize(data.test, 8, 8), 32, 32)))
        exchanged = gaussian_of(colour_features(network, data.test[..., ::-1].copy()))
        assert frechet_distance(real, reference) < 1.5
        assert min(frechet_distance(changed, reference) for changed in (blurred, exchanged)) > 5


def slow_nt_xent(projections: np.ndarray, temperature: float) -> float:
    """Equation 1 of the paper for each row, and the mean of them."""
    unit = projections / np.linalg.norm(projections, axis=1, keepdims=True)
    count, losses = len(unit), []
    for i in range(count):
        twin = (i + count // 2) % count
        others = sum(np.exp(unit[i] @ unit[k] / temperature) for k in range(count) if k != i)
        losses.append(-np.log(np.exp(unit[i] @ unit[twin] / temperature) / others))
    return float(np.mean(losses))


def test_the_loss_is_the_formula():
    projections = np.random.default_rng(0).normal(size=(10, 5))
    assert nt_xent(torch.from_numpy(projections), 0.2).item() == pytest.approx(slow_nt_xent(projections, 0.2), rel=1e-9)


@pytest.mark.timeout(600)
def test_the_script_learns_to_find_twins(capsys: pytest.CaptureFixture[str]):
    images = discs(256, 2)
    trained = train(images, updates=50, batch=32)
    loss = float(capsys.readouterr().out.rsplit("loss ", 1)[1])
    assert loss < 0.9 * np.log(2 * 32 - 1)  # chance
    features = colour_features(trained, images)
    assert features.shape == (256, FEATURES)
    np.testing.assert_allclose(features.mean(0), 0.0, atol=1e-4)
    assert features.var(0).mean() == pytest.approx(1.0, rel=1e-3)
