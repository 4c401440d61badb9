"""Weights of a policy: as bytes, for programs of another length and for finer places."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
import torch

from spiral.configuration.schema import PolicyConfig
from spiral.policy import Inputs, Policy, build_policy
from spiral.policy.finer_places import refine, refine_offsets, shyness
from spiral.policy.glimpse import bins
from spiral.policy.sight import Sight
from spiral.policy.weights import dump_weights, load_weights, parse_weights
from tests.support.policies import policy_of, roll_out, spec_of


def test_weights_travel_and_others_are_refused():
    view = (32, 32, 1)
    policy, other = (policy_of("small", spec=spec_of(), view=view) for _ in range(2))
    with torch.no_grad():
        policy.value.bias.fill_(3.5)
    load_weights(other, parse_weights(dump_weights(policy.state_dict())))
    assert other.value.bias.item() == 3.5
    half = parse_weights(dump_weights(policy.state_dict(), torch.float16))
    for name, weights in policy.state_dict().items():
        torch.testing.assert_close(half[name], weights, rtol=1e-3, atol=1e-6)
    with pytest.raises(ValueError, match="of another network"):
        load_weights(policy_of("small", spec=spec_of(grid=4), view=view), policy.state_dict())
    with pytest.raises(ValueError, match="not a safetensors file"):
        parse_weights(b"\x00" * 20)


@pytest.mark.parametrize("network", ["small", "paper"])
@pytest.mark.parametrize("length", [1, 3, 8])
def test_weights_paint_programs_of_another_length(network, length):
    """The steps that both have are judged alike, and those beyond as the last that was known."""
    view = (32, 32, 1)
    known = policy_of(network, spec=spec_of(), view=view)
    torch.manual_seed(1)
    other = build_policy(PolicyConfig(network=network, noise=10), spec_of(), view, length, conditional=False)
    load_weights(other, other.for_this_run(known.state_dict()))
    actions, _, inputs = roll_out(other, view, conditional=False)
    one = other.evaluate_actions(inputs, actions, other.initial_state(6)).log_prob
    clamped = Inputs(
        inputs.seen, inputs.previous_action, inputs.step.clamp(max=known.num_actions - 1), inputs.noise, inputs.target
    )
    two = known.evaluate_actions(clamped, actions, known.initial_state(6)).log_prob
    torch.testing.assert_close(one, two)


@pytest.mark.parametrize(("before", "side"), [(4, 8), (4, 12), (3, 4), (8, 4), (4, 4)])
def test_finer_places_lie_between_their_neighbours(before, side):
    """What is linear in the place stays so, up to the last one, beyond which there is no neighbor."""
    row, column = torch.meshgrid(torch.arange(before) / before, torch.arange(before) / before, indexing="ij")
    rows = torch.stack([1 + 2 * row - 3 * column, row], -1).reshape(before**2, 2)
    finer = refine(rows, side)
    if side <= before:
        assert finer is rows, "coarser ones are not made"
        return
    at = (torch.arange(side) / side).clamp(max=(before - 1) / before)
    row, column = torch.meshgrid(at, at, indexing="ij")
    torch.testing.assert_close(finer, torch.stack([1 + 2 * row - 3 * column, row], -1).reshape(side**2, 2))
    old = shyness(before, side).reshape(side, side) == 0
    assert old[0, 0]
    assert int(old.sum()) == (side**2 if side % before else before**2)


@pytest.mark.parametrize(("before", "side"), [(16, 32), (10, 16), (3, 4)])
def test_finer_offsets_lie_between_their_neighbours(before, side):
    """Against a loop over distances."""
    old, new = bins(before).tolist(), bins(side).tolist()
    span = max(old) + 1
    rows = torch.randn(span**2, 3)
    lattice, finer = rows.reshape(span, span, 3), refine_offsets(rows, before, side)
    wanted = torch.zeros(max(new) + 1, max(new) + 1, 3)

    def shares(bin: int) -> list[tuple[int, float]]:
        distances = [d for d in range(1 - side, side) if new[d + side - 1] == bin]
        found = []
        for d in distances:
            at = min(max(d * before / side, 1 - before), before - 1) + before - 1
            low = int(at)
            found += [(old[low], 1 - (at - low)), (old[min(low + 1, len(old) - 1)], at - low)]
        return [(k, share / len(distances)) for k, share in found]

    for a, b in itertools.product(range(len(wanted)), repeat=2):
        for (i, one), (j, two) in itertools.product(shares(a), shares(b)):
            wanted[a, b] += one * two * lattice[i, j]
    torch.testing.assert_close(finer, wanted.reshape(-1, 3))
    others = rows[1:]
    assert refine_offsets(others, before, side) is others


@pytest.mark.parametrize("network", ["small", "glimpsing"])
def test_a_model_paints_on_finer_places_as_before(network):
    view = (32, 32, 1)
    known = policy_of(network, spec=spec_of(grid=4), view=view)
    other = policy_of(network, spec=spec_of(grid=8), view=view)
    load_weights(other, other.for_this_run(known.state_dict()))
    old = (torch.arange(8).reshape(-1, 1) * 8 + torch.arange(8))[::2, ::2].flatten()
    features = torch.randn(5, known.value.in_features)
    pens = torch.tensor([0, 3, 7, 8, 15])
    coarse, fine = _at(known, pens), _at(other, old[pens])
    places = [k for k, component in enumerate(known.spec.components) if component.kind == "grid"]
    assert places
    for k in places:
        torch.testing.assert_close(other.logits(k, features, fine)[:, old], known.logits(k, features, coarse))
        torch.testing.assert_close(
            other.advance(k, features, old[:5], fine), known.advance(k, features, torch.arange(16)[:5], coarse)
        )
    actions, sampled, inputs = roll_out(other, view, conditional=False)
    torch.testing.assert_close(other.evaluate_actions(inputs, actions, ()).log_prob, sampled, atol=1e-5, rtol=0)
    with pytest.raises(ValueError, match="of another network"):
        load_weights(known, known.for_this_run(other.state_dict()))


def _at(policy: Policy, pens: torch.Tensor) -> Sight | None:
    """On a page that is black, with the pens at these places."""
    previous = torch.zeros(1, len(pens), len(policy.spec), dtype=torch.long)
    previous[..., 1] = pens
    return policy.sight(Inputs(policy.see(torch.zeros(1, len(pens), 32, 32, 1).byte()), previous, torch.zeros(1)), 1)


@pytest.mark.parametrize(
    "more", [{"width": 384}, {"patch": 3}, {"glimpse": 9}, {"width": 384, "patch": 3, "glimpse": 8}]
)
def test_a_model_paints_in_a_larger_network_exactly_as_before(more: dict[str, int]):
    view, spec = (32, 32, 1), spec_of(grid=4)
    known = policy_of("small", spec=spec, view=view)
    torch.manual_seed(1)
    wide = build_policy(PolicyConfig(noise=10, **more), spec, view, known.num_actions, conditional=False)
    fresh = {name: weights.clone() for name, weights in wide.state_dict().items()}
    load_weights(wide, wide.for_this_run(known.state_dict()))
    actions, sampled, inputs = roll_out(wide, view, conditional=False)
    averaged = replace(inputs, seen=inputs.seen[..., wide.fine :])
    before, after = known.evaluate_actions(averaged, actions, ()), wide.evaluate_actions(inputs, actions, ())
    torch.testing.assert_close(after.log_prob, before.log_prob)
    torch.testing.assert_close(after.value, before.value)
    torch.testing.assert_close(after.log_prob, sampled)
    width = known.value.in_features
    torch.testing.assert_close(wide.view.weight[width:], fresh["view.weight"][width:])
    after.log_prob.sum().backward()
    heard = [head.weight.grad[:, width:] for head in wide.heads if "width" in more]
    heard += [look.weight.grad for look in wide.looks]
    if wide.glimpse is not None:
        heard += [wide.glimpse.view.weight.grad, *(head.weight.grad for head in wide.glimpse.heads.values())]
    assert all(gradient.abs().max() > 0 for gradient in heard), "what is new can be listened to"
    with pytest.raises(ValueError, match="of another network"):
        load_weights(known, known.for_this_run(wide.state_dict()))


def test_a_model_that_looks_paints_with_more_of_everything_as_with_finer_places_alone():
    view = (32, 32, 1)
    known = policy_of("looking", spec=spec_of(grid=4), view=view)
    finer, more = (
        build_policy(PolicyConfig(width=width, patch=3, noise=10), spec_of(grid=8), view, 8, conditional=False)
        for width in (256, 320)
    )
    for policy in (finer, more):
        load_weights(policy, policy.for_this_run(known.state_dict()))
    actions, sampled, inputs = roll_out(more, view, conditional=False)
    torch.testing.assert_close(finer.evaluate_actions(inputs, actions, ()).log_prob, sampled)
    looks = {name: weights for name, weights in known.state_dict().items() if name.startswith("looks.")}
    assert all((finer.state_dict()[name] == weights).all() for name, weights in looks.items())
    damaged = {name: weights for name, weights in known.state_dict().items() if name != "looks.1.weight"}
    with pytest.raises(ValueError, match="looks"):
        load_weights(finer, finer.for_this_run(damaged))


def test_a_glimpse_that_is_damaged_or_of_another_size_is_refused():
    view = (32, 32, 1)
    known = policy_of("glimpsing", spec=spec_of(), view=view)
    state = known.state_dict()
    damaged = {name: weights for name, weights in state.items() if name != "glimpse.heads.1.bias"}
    with pytest.raises(ValueError, match=r"glimpse\.heads"):
        load_weights(known, known.for_this_run(damaged))
    config = PolicyConfig(patch=3, glimpse=9, noise=10)
    wider = build_policy(config, spec_of(), view, known.num_actions, conditional=False)
    with pytest.raises(ValueError, match=r"glimpse\.view"):
        load_weights(wider, wider.for_this_run(state))


@pytest.mark.parametrize("other", [{"view": (32, 32, 3)}, {"spec": spec_of(sizes=6)}])
def test_nothing_but_the_width_is_made_to_fit(other):
    known = policy_of("small", spec=spec_of(), view=(32, 32, 1))
    settings = {"spec": spec_of(), "view": (32, 32, 1)} | other
    config = PolicyConfig(width=384, noise=10)
    wide = build_policy(config, settings["spec"], settings["view"], known.num_actions, conditional=False)
    with pytest.raises(ValueError, match="of another network"):
        load_weights(wide, wide.for_this_run(known.state_dict()))


def test_weights_without_steps_are_refused_whatever_the_length():
    policy = policy_of("small", spec=spec_of(), view=(32, 32, 1))
    for broken in (
        {},
        {"step.weight": torch.zeros(0, 256)},
        {"step.weight": torch.zeros(3)},
        {"step.weight": torch.zeros(())},
    ):
        with pytest.raises(ValueError, match="of another network"):
            load_weights(policy, policy.for_this_run(broken))
