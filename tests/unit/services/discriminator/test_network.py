"""The network that judges: its size, its inputs, and the views that it takes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from spiral.services.discriminator import network as network_module
from spiral.services.discriminator.network import Critic, build_network, to_input
from tests.support.judging_data import observations


@pytest.mark.parametrize(
    "shape", [(16, 16, 1), (20, 20, 3), (25, 25, 1), (32, 32, 3), (48, 48, 1), (64, 64, 3), (64, 32, 1)]
)
@pytest.mark.parametrize("conditional", [False, True])
def test_any_view_fits(shape: tuple[int, int, int], conditional: bool) -> None:
    network = build_network(shape, (2, 2, 2, 2), conditional, seed=0)
    pictures = to_input(observations(0, frames=1, batch=3, shape=shape)[0], torch.device("cpu"))
    assert network(pictures, pictures if conditional else None).shape == (3,)


def test_the_recipes_network_has_42_thousand_parameters() -> None:
    network = build_network((32, 32, 1), (16, 32, 64), conditional=False, seed=0)
    assert sum(parameter.numel() for parameter in network.parameters()) == 42_353


def test_pixels_go_from_minus_one_to_one() -> None:
    pixels = to_input(np.array([0, 51, 255], dtype=np.uint8).reshape(3, 1, 1, 1), torch.device("cpu"))
    assert pixels.dtype == torch.float32
    torch.testing.assert_close(pixels.reshape(-1), torch.tensor([-1.0, -0.6, 1.0]))


def test_a_view_too_small_for_the_convolutions_is_a_sentence() -> None:
    with pytest.raises(ValueError, match=r"5 convolutions, each of which halves .* 16×16 pixels; expected at most 4"):
        Critic((16, 16, 1), (4, 4, 4, 4, 4), conditional=False)


def test_the_initialisation_can_be_chosen() -> None:
    network = build_network((32, 32, 1), (64, 64), conditional=False, seed=0, initialise=network_module.dcgan)
    assert float(network.convolutions[1].weight.detach().std()) == pytest.approx(0.02, rel=0.05)
    assert not network.convolutions[1].bias.any()
