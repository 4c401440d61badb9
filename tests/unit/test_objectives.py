"""Objectives against the formulas written out in slow loops, and against finite differences."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from services.discriminator.network import Critic, build_network
from services.discriminator.objectives import BUILDERS, Objective, Pictures, build_objective
from services.discriminator.objectives.r1 import R1
from services.discriminator.objectives.wgan_gp import WganGp
from spiral.config import DiscriminatorConfig

Array = NDArray[np.float64]
SHAPE = (8, 8, 1)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Networks as small as these lose more by sharing work than they win."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(name="network")
def _network() -> Critic:
    return build_network(SHAPE, (3, 4), conditional=False, seed=1).double()


def pictures(count: int = 3, conditional: bool = False) -> Pictures:
    generator = torch.Generator().manual_seed(2)

    def drawn() -> Tensor:
        return torch.rand(count, 1, 8, 8, generator=generator, dtype=torch.float64) * 2 - 1

    return Pictures(drawn(), drawn(), drawn() if conditional else None)


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(3)


def slow_score(network: Critic, picture: Array) -> float:
    """The network once more, [C, H, W] → a number, one output pixel after the other: slow, but nothing to hide in."""
    x = picture
    for convolution in network.convolutions:
        weight, bias = convolution.weight.detach().numpy(), convolution.bias.detach().numpy()
        padded = np.pad(x, ((0, 0), (1, 1), (1, 1)))
        x = np.empty((len(weight), x.shape[1] // 2, x.shape[2] // 2))
        for channel, row, column in np.ndindex(x.shape):
            window = padded[:, 2 * row : 2 * row + 4, 2 * column : 2 * column + 4]
            value = (window * weight[channel]).sum() + bias[channel]
            x[channel, row, column] = value if value > 0 else 0.2 * value
    weight, bias = network.linear.weight.detach().numpy(), network.linear.bias.detach().numpy()
    return float((weight[0] * x.reshape(-1)).sum() + bias[0])


def slow_gradient(network: Critic, picture: Array) -> Array:
    """Central differences of the score by each pixel."""
    gradient = np.empty_like(picture)
    for pixel in np.ndindex(picture.shape):
        step = np.zeros_like(picture)
        step[pixel] = 1e-6
        gradient[pixel] = (slow_score(network, picture + step) - slow_score(network, picture - step)) / 2e-6
    return gradient


def test_the_network_scores_as_written_out(network: Critic) -> None:
    real = pictures().real
    expected = [slow_score(network, picture) for picture in real.numpy()]
    np.testing.assert_allclose(network(real).detach().numpy(), expected, rtol=1e-10)


def test_wgan_gp_is_the_papers_formula(network: Critic) -> None:
    batch, penalty, centring = pictures(), 10.0, 0.5
    loss = WganGp(penalty, centring).loss(network, batch, seeded(), update=0)
    real, painted = batch.real.numpy(), batch.painted.numpy()
    place = torch.rand(3, 1, 1, 1, generator=seeded()).numpy().astype(np.float64)
    norms = [
        np.sqrt(np.square(slow_gradient(network, place[i] * real[i] + (1 - place[i]) * painted[i])).sum())
        for i in range(3)
    ]
    mean_real = np.mean([slow_score(network, picture) for picture in real])
    mean_painted = np.mean([slow_score(network, picture) for picture in painted])
    expected = -mean_real + mean_painted + penalty * np.mean([(norm - 1) ** 2 for norm in norms])
    expected += centring * (mean_real / 2 + mean_painted / 2) ** 2
    assert float(loss.total.detach()) == pytest.approx(expected, rel=1e-6)
    assert float(loss.real.mean()) == pytest.approx(mean_real)
    assert float(loss.painted.mean()) == pytest.approx(mean_painted)


@pytest.mark.parametrize(("every", "update", "weight"), [(1, 5, 1), (4, 8, 4), (4, 9, 0)])
def test_r1_is_the_papers_formula_every_update_or_lazily(network: Critic, every: int, update: int, weight: int) -> None:
    batch, gamma = pictures(), 0.7
    loss = R1(gamma, every).loss(network, batch, seeded(), update)
    real, painted = batch.real.numpy(), batch.painted.numpy()
    expected = np.mean([np.log1p(np.exp(-slow_score(network, picture))) for picture in real])
    expected += np.mean([np.log1p(np.exp(slow_score(network, picture))) for picture in painted])
    expected += weight * gamma / 2 * np.mean([np.square(slow_gradient(network, picture)).sum() for picture in real])
    assert float(loss.total.detach()) == pytest.approx(expected, rel=1e-6)
    assert ("gradient_penalty" in loss.terms) == (weight > 0)


@pytest.mark.parametrize("conditional", [False, True])
@pytest.mark.parametrize("objective", [WganGp(10.0, 0.5), R1(3.0, 1)])
def test_the_weights_gradient_is_the_losss_derivative(objective: Objective, conditional: bool) -> None:
    """The penalties' second derivatives included, against central differences of the loss."""
    network = build_network(SHAPE, (3, 4), conditional, seed=1).double()
    batch = pictures(conditional=conditional)

    def total() -> Tensor:
        return objective.loss(network, batch, seeded(), update=0).total

    total().backward()
    for parameter in network.parameters():
        assert parameter.grad is not None
        flat, gradient = parameter.data.view(-1), parameter.grad.view(-1)
        for index in range(0, len(flat), max(1, len(flat) // 5)):
            kept = float(flat[index])
            flat[index] = kept + 1e-6
            above = float(total().detach())
            flat[index] = kept - 1e-6
            below = float(total().detach())
            flat[index] = kept
            assert float(gradient[index]) == pytest.approx((above - below) / 2e-6, rel=1e-4, abs=1e-7)


class Linear(nn.Module):
    """D(x | target) = w·x + 100·Σ target²: its gradient by the painting is w everywhere."""

    def __init__(self, norm: float) -> None:
        super().__init__()
        direction = torch.randn(64, generator=seeded(), dtype=torch.float64)
        self.weight = nn.Parameter(norm * direction / direction.norm())

    def forward(self, painting: Tensor, target: Tensor | None = None) -> Tensor:
        score = painting.flatten(1) @ self.weight
        return score if target is None else score + 100 * target.flatten(1).square().sum(1)


@pytest.mark.parametrize("conditional", [False, True])
@pytest.mark.parametrize(("norm", "penalty"), [(1.0, 0.0), (3.0, 4.0), (0.25, 0.5625)])
def test_the_gradient_of_a_linear_critic_is_its_norm_whatever_the_target(
    norm: float, penalty: float, conditional: bool
) -> None:
    """Checklist item 6; two-sided, and by the painting alone: by the pair it would be in the hundreds."""
    loss = WganGp(10.0, 0.0).loss(Linear(norm), pictures(conditional=conditional), seeded(), update=0)
    assert float(loss.terms["gradient_penalty"]) == pytest.approx(penalty, abs=1e-12)


@pytest.mark.parametrize("conditional", [False, True])
def test_r1_of_a_linear_critic_is_its_squared_norm_whatever_the_target(conditional: bool) -> None:
    loss = R1(1.0, 1).loss(Linear(3.0), pictures(conditional=conditional), seeded(), update=0)
    assert float(loss.terms["gradient_penalty"]) == pytest.approx(9.0)


def test_each_interpolated_picture_has_a_place_of_its_own() -> None:
    seen: list[Tensor] = []

    class Watching(Linear):
        def forward(self, painting: Tensor, target: Tensor | None = None) -> Tensor:
            if painting.requires_grad:
                seen.append(painting.detach())
            return super().forward(painting, target)

    batch = pictures(count=50)
    WganGp(10.0, 0.0).loss(Watching(1.0), batch, seeded(), update=0)
    (between,) = seen
    # Solving between = ε·real + (1 − ε)·painted for ε, pixel by pixel.
    place = ((between - batch.painted) / (batch.real - batch.painted)).flatten(1)
    assert float((place - place.median(dim=1, keepdim=True).values).abs().max()) < 1e-6
    places = place.median(dim=1).values
    assert len(set(places.tolist())) == 50
    assert 0 <= float(places.min()) < 0.2
    assert 0.8 < float(places.max()) <= 1


def test_centring_pulls_the_middle_to_zero_and_nothing_else(network: Critic) -> None:
    batch = pictures()
    without = WganGp(10.0, 0.0).loss(network, batch, seeded(), update=0)
    centred = WganGp(10.0, 2.0).loss(network, batch, seeded(), update=0)
    middle = (float(without.real.mean()) + float(without.painted.mean())) / 2
    assert float((centred.total - without.total).detach()) == pytest.approx(2.0 * middle**2)


def test_every_configurable_objective_is_there() -> None:
    assert set(get_args(DiscriminatorConfig.model_fields["objective"].annotation)) == set(BUILDERS)


def test_an_unknown_objective_is_a_sentence() -> None:
    config = DiscriminatorConfig.model_construct(objective="hinge")
    with pytest.raises(ValueError, match='"hinge" is unknown; known: r1, wgan-gp'):
        build_objective(config)
