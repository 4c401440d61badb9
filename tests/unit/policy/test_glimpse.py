"""The glimpse, and places chosen by their offset from the pen."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import nn

from spiral.policy import Inputs
from spiral.policy.glimpse import Glimpse, bins, offsets
from spiral.policy.sight import Sight
from spiral.values.actions import ActionSpec, Component
from tests.support.policies import policy_of, roll_out, spec_of


def test_near_distances_are_told_apart_and_far_ones_by_bins():
    assert bins(3).tolist() == [0, 1, 2, 3, 4]
    beyond = [6, 6, 7, 7, 7, 8, 8, 8, 8, 9]
    half = [*range(6), *beyond]
    assert bins(16).tolist() == [9 - n for n in half[:0:-1]] + [9 + n for n in half]


@pytest.mark.parametrize("side", [3, 16, 20])
def test_offsets_are_those_of_rows_and_columns(side):
    table, span = offsets(side), int(bins(side).max()) + 1
    assert table.shape == (side**2, side**2)
    places = list(itertools.product(range(side), repeat=2))
    for (row, column), (other, beside) in itertools.product(places[:: side + 1], places):
        down, right = other - row, beside - column
        wanted = bins(side)[side - 1 + down] * span + bins(side)[side - 1 + right]
        assert table[row * side + column, other * side + beside] == wanted


def test_what_lies_about_the_pen_is_seen_alike_wherever_it_is():
    """Painting, target and pen moved together: the logits of the places about the pen move with them."""
    torch.manual_seed(0)
    side, size, width, k = 8, 16, 24, 1
    glimpse = Glimpse(spec_of(grid=side), 1, (size, size, 1), glimpse=5, pictures=2, width=width)
    for head in glimpse.heads.values():
        nn.init.normal_(head.weight)
    painting, target = torch.zeros(2, 1, size, size)
    painting[0, 6:9, 5:8] = torch.rand(3, 3)
    target[0, 5:9, 6:10] = torch.rand(4, 4)
    found = []
    for down, right in ((0, 0), (2, -1), (-2, 3)):  # places, each of two pixels
        pen = (3 + down) * side + 3 + right
        moved = [picture.roll((2 * down, 2 * right), (1, 2)).flatten(1) for picture in (painting, target)]
        inputs = Inputs(moved[0].unsqueeze(0), torch.tensor([[[0, pen]]]), torch.zeros(1), target=moved[1])
        sight = Sight(inputs, 1, pen=1)
        features = glimpse.see(sight)
        logits = glimpse.logits(k, features, sight.pens).reshape(side, side)
        about = logits[down + 2 : down + 5, right + 2 : right + 5]
        chosen = torch.tensor([(4 + down) * side + 2 + right])
        found.append((features, about, glimpse.embed(k, chosen, sight.pens)))
    for features, about, embedded in found[1:]:
        torch.testing.assert_close(features, found[0][0])
        torch.testing.assert_close(about, found[0][1])
        torch.testing.assert_close(embedded, found[0][2])


@pytest.mark.parametrize("view", [(32, 32, 3), (24, 32, 1), (4, 4, 1)])
def test_any_view_is_seen_from_any_place(view):
    """Color, a view that is no square, places that are finer than its pixels; pens at the edges among them."""
    policy = policy_of("glimpsing", spec=spec_of(colour=view[2] == 3), view=view, conditional=True)
    actions, sampled, inputs = roll_out(policy, view, conditional=True, B=64)
    assert {0, 63} <= set(actions[..., 1].flatten().tolist()), "the corners"
    torch.testing.assert_close(policy.evaluate_actions(inputs, actions, ()).log_prob, sampled, atol=1e-5, rtol=0)


def test_what_nothing_comes_after_is_not_embedded():
    components = (Component("flag", 2, "choice"), Component("end", 64, "grid"), Component("control", 64, "grid"))
    policy = policy_of("glimpsing", spec=ActionSpec(components, ((True, True, False), (True,) * 3)), view=(16, 16, 1))
    actions, _, inputs = roll_out(policy, (16, 16, 1), conditional=False)
    judged = policy.evaluate_actions(inputs, actions, ())
    (judged.log_prob.sum() + judged.value.sum()).backward()
    unused = [name for name, weights in policy.named_parameters() if weights.grad is None]
    assert not unused


def test_at_first_places_are_chosen_as_without_it():
    glimpse = Glimpse(spec_of(), 1, (16, 16, 1), glimpse=5, pictures=1, width=8)
    assert not any(parameter.any() for parameter in glimpse.heads.parameters())
    for embedding in glimpse.chosen.parameters():
        assert embedding.std().item() == pytest.approx(1 / math.sqrt(8), rel=0.2)


def test_lattices_that_differ_are_refused():
    with pytest.raises(ValueError, match=r"policy\.glimpse"):
        Glimpse(ActionSpec((Component("end", 64, "grid"), Component("control", 16, "grid"))), 0, (16, 16, 1), 5, 1, 16)
