"""Objectives against the formulas written out in slow loops, and against finite differences."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from spiral.computing.precision import Precision
from spiral.objectives.discriminator import DiscriminatorObjective
from spiral.objectives.discriminator.r1 import R1
from spiral.objectives.discriminator.spectral_norm import SpectralNorm
from spiral.objectives.discriminator.wgan_gp import WganGp
from spiral.objectives.pictures import Pictures
from spiral.services.discriminator.masks import Kind, draw_masks
from spiral.services.discriminator.network import Critic, build_network

Array = NDArray[np.float64]
SHAPE = (8, 8, 1)


pytestmark = pytest.mark.usefixtures("one_thread")


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
    loss = WganGp(gradient_penalty=penalty, centring=centring).loss(network, batch, seeded(), update=0)
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
    loss = R1(r1=gamma, r1_every=every).loss(network, batch, seeded(), update)
    real, painted = batch.real.numpy(), batch.painted.numpy()
    expected = np.mean([np.log1p(np.exp(-slow_score(network, picture))) for picture in real])
    expected += np.mean([np.log1p(np.exp(slow_score(network, picture))) for picture in painted])
    expected += weight * gamma / 2 * np.mean([np.square(slow_gradient(network, picture)).sum() for picture in real])
    assert float(loss.total.detach()) == pytest.approx(expected, rel=1e-6)
    assert ("gradient_penalty" in loss.terms) == (weight > 0)


@pytest.mark.parametrize("kind", ["unconditional", "conditional", "masked"])
@pytest.mark.parametrize("objective", [WganGp(centring=0.5), R1(r1=3.0), SpectralNorm()])
def test_the_weights_gradient_is_the_losss_derivative(objective: DiscriminatorObjective, kind: str) -> None:
    """The penalties' second derivatives included, against central differences of the loss."""
    conditional = kind != "unconditional"
    network = build_network(SHAPE, (3, 4), conditional, seed=1, initialise=objective.prepare).double()
    network.eval()  # the singular vectors stay what they are
    batch = pictures(conditional=conditional)
    if kind == "masked":
        batch = replace(batch, mask=draw_masks("random", 3, 8, 8, seeded()).double())

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
    loss = WganGp(centring=0.0).loss(Linear(norm), pictures(conditional=conditional), seeded(), update=0)
    assert float(loss.terms["gradient_penalty"]) == pytest.approx(penalty, abs=1e-12)


@pytest.mark.parametrize("conditional", [False, True])
def test_r1_of_a_linear_critic_is_its_squared_norm_whatever_the_target(conditional: bool) -> None:
    loss = R1(r1=1.0).loss(Linear(3.0), pictures(conditional=conditional), seeded(), update=0)
    assert float(loss.terms["gradient_penalty"]) == pytest.approx(9.0)


def test_each_interpolated_picture_has_a_place_of_its_own() -> None:
    seen: list[Tensor] = []

    class Watching(Linear):
        def forward(self, painting: Tensor, target: Tensor | None = None) -> Tensor:
            if painting.requires_grad:
                seen.append(painting.detach())
            return super().forward(painting, target)

    batch = pictures(count=50)
    WganGp(centring=0.0).loss(Watching(1.0), batch, seeded(), update=0)
    (between,) = seen
    # Solving between = ε·real + (1 − ε)·painted for ε, pixel by pixel.
    place = ((between - batch.painted) / (batch.real - batch.painted)).flatten(1)
    assert float((place - place.median(dim=1, keepdim=True).values).abs().max()) < 1e-6
    places = place.median(dim=1).values
    assert len(set(places.tolist())) == 50
    assert 0 <= float(places.min()) < 0.2
    assert 0.8 < float(places.max()) <= 1


def largest_singular_value(weight: Tensor) -> float:
    return float(np.linalg.svd(weight.detach().flatten(1).numpy(), compute_uv=False)[0])


def test_spectral_norm_is_the_logistic_loss_of_layers_divided_by_their_largest_singular_value() -> None:
    plain = build_network(SHAPE, (3, 4), conditional=True, seed=1).double()
    normalised = build_network(SHAPE, (3, 4), conditional=True, seed=1, initialise=SpectralNorm().prepare).double()
    batch = pictures(conditional=True)
    for _ in range(50):  # one power iteration each
        loss = SpectralNorm().loss(normalised, batch, seeded(), update=0)
    with torch.no_grad():
        for layer in (*plain.convolutions, plain.linear):
            layer.weight /= largest_singular_value(layer.weight)
    real, painted = (plain(picture, batch.target).detach() for picture in (batch.real, batch.painted))
    expected = np.log1p(np.exp(-real.numpy())).mean() + np.log1p(np.exp(painted.numpy())).mean()
    assert float(loss.total.detach()) == pytest.approx(expected, rel=1e-5)


def test_spectral_norm_makes_one_power_iteration_an_update_and_none_when_scoring() -> None:
    network = build_network(SHAPE, (3, 4), conditional=False, seed=1, initialise=SpectralNorm().prepare).double()
    layers = (*network.convolutions, network.linear)

    def vectors() -> list[Array]:
        return [layer.parametrizations.weight[0]._u.numpy().copy() for layer in layers]

    before = vectors()
    weights = [layer.parametrizations.weight.original.detach().flatten(1).numpy() for layer in layers]
    SpectralNorm().loss(network, pictures(), seeded(), update=0)
    for was, now, weight in zip(before, vectors(), weights, strict=True):
        iterated = weight @ (weight.T @ was)
        np.testing.assert_allclose(now, iterated / np.linalg.norm(iterated), atol=1e-6)
    network.eval()
    before = vectors()
    network(pictures().real)
    for was, now in zip(before, vectors(), strict=True):
        np.testing.assert_array_equal(was, now)


@pytest.mark.parametrize("kind", ["halves", "random"])
def test_a_mask_hides_of_the_target_what_it_shows_of_the_painting(kind: Kind) -> None:
    """Checklist item 12, for whatever the network is shown, by every objective."""
    batch = replace(pictures(count=20, conditional=True), mask=draw_masks(kind, 20, 8, 8, seeded()).double())
    assert batch.target is not None
    batch = replace(batch, real=batch.target)
    shown: list[tuple[Tensor, Tensor]] = []

    class Watching(Linear):
        def forward(self, painting: Tensor, target: Tensor | None = None) -> Tensor:
            assert target is not None
            shown.append((painting.detach(), target.detach()))
            return super().forward(painting, target)

    for objective in (WganGp(centring=0.0), R1(r1=1.0), SpectralNorm()):
        shown.clear()
        objective.loss(Watching(1.0), batch, seeded(), update=0)
        painting, target = (torch.cat(slots) for slots in zip(*shown, strict=True))
        of_painting, of_target = painting != 0, target != 0
        assert not (of_painting & of_target).any()
        assert (of_painting | of_target).all()
        # Real and painted pairs of a sample share one mask.
        assert torch.equal(of_painting, of_painting[:20].repeat(len(painting) // 20, 1, 1, 1))


def test_the_gradient_penalty_does_not_see_what_a_mask_hides() -> None:
    mask = torch.zeros(3, 1, 8, 8, dtype=torch.float64)
    mask[:, :, :, :4] = 1
    critic = Linear(1.0)
    visible = float(critic.weight.detach().view(8, 8)[:, :4].norm())
    loss = WganGp(centring=0.0).loss(critic, replace(pictures(conditional=True), mask=mask), seeded(), update=0)
    assert float(loss.terms["gradient_penalty"]) == pytest.approx((visible - 1) ** 2)


def test_masks_are_halves_or_cells_each_as_likely() -> None:
    halves = draw_masks("halves", 400, 6, 8, seeded())
    kinds = {mask.numpy().tobytes() for mask in halves}
    assert len(kinds) == 4
    assert all(mask.sum() == 24 for mask in halves)
    random = draw_masks("random", 400, 32, 32, seeded())
    cells = random.unfold(2, 8, 8).unfold(3, 8, 8).flatten(4)
    assert (cells == cells[..., :1]).all()
    share = cells[..., 0].flatten(1).mean(1)
    assert 0 < float(share.min()) < 0.35
    assert 0.65 < float(share.max()) < 1
    assert float(share.mean()) == pytest.approx(0.5, abs=0.03)
    assert set(random.unique().tolist()) == {0.0, 1.0}


def test_centring_pulls_the_middle_to_zero_and_nothing_else(network: Critic) -> None:
    batch = pictures()
    without = WganGp(centring=0.0).loss(network, batch, seeded(), update=0)
    centred = WganGp(centring=2.0).loss(network, batch, seeded(), update=0)
    middle = (float(without.real.mean()) + float(without.painted.mean())) / 2
    assert float((centred.total - without.total).detach()) == pytest.approx(2.0 * middle**2)


def test_a_penalty_without_weight_is_not_computed(network: Critic) -> None:
    assert R1(r1=0.0).loss(network, pictures(), seeded(), update=0).terms.keys() == {"logistic"}


@pytest.mark.parametrize("objective", [WganGp(centring=0.5), R1(r1=3.0, r1_every=2), SpectralNorm()])
def test_what_is_told_of_a_loss_is_its_parts_and_holds_no_graph(
    objective: DiscriminatorObjective, network: Critic
) -> None:
    loss = objective.loss(network, pictures(), seeded(), update=0)
    real, painted, terms = loss.real, loss.painted, loss.terms
    assert not any(told.requires_grad for told in (real, painted, *terms.values()))
    logistic = nn.functional.softplus(-real).mean() + nn.functional.softplus(painted).mean()
    total = {
        WganGp: lambda: terms["distance"] + 10 * terms["gradient_penalty"] + 0.5 * ((real + painted) / 2).mean() ** 2,
        R1: lambda: logistic + 2 * 3 / 2 * terms["gradient_penalty"],
        SpectralNorm: lambda: logistic,
    }[type(objective)]()
    torch.testing.assert_close(loss.total.detach(), total)
    torch.testing.assert_close(terms.get("logistic", logistic), logistic)


def test_a_pass_that_any_gradient_is_looked_at_through_is_made_in_float32() -> None:
    network = build_network(SHAPE, (3, 4), conditional=False, seed=1)
    batch = pictures()
    one, other = batch.real.float().requires_grad_(), batch.painted.float()
    mixed = Pictures(one, other, precision=Precision("bf16"))
    exact = torch.cat([network(one), network(other)])
    torch.testing.assert_close(torch.cat(mixed.score(network, one, other)), exact, rtol=1e-5, atol=1e-6)
    assert not torch.allclose(torch.cat(mixed.score(network, other, other)), exact[3:].repeat(2), rtol=1e-5, atol=1e-6)
