"""Weights of a policy: as bytes, and for programs of another length."""

from __future__ import annotations

import pytest
import torch

from spiral.config import PolicyConfig
from spiral.policy import Inputs, build_policy
from spiral.policy.weights import dump_weights, load_weights, parse_weights
from tests.policies import policy_of, roll_out, spec_of


def test_weights_travel_and_others_are_refused():
    view = (32, 32, 1)
    policy, other = (policy_of("small", spec=spec_of(), view=view) for _ in range(2))
    with torch.no_grad():
        policy.value.bias.fill_(3.5)
    load_weights(other, parse_weights(dump_weights(policy.state_dict())))
    assert other.value.bias.item() == 3.5
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
    load_weights(other, other.for_this_length(known.state_dict()))
    actions, _, inputs = roll_out(other, view, conditional=False)
    one = other.judge(inputs, actions, other.initial_state(6)).log_prob
    clamped = Inputs(
        inputs.seen, inputs.previous_action, inputs.step.clamp(max=known.num_actions - 1), inputs.noise, inputs.target
    )
    two = known.judge(clamped, actions, known.initial_state(6)).log_prob
    torch.testing.assert_close(one, two)


def test_weights_without_steps_are_refused_whatever_the_length():
    policy = policy_of("small", spec=spec_of(), view=(32, 32, 1))
    for broken in (
        {},
        {"step.weight": torch.zeros(0, 256)},
        {"step.weight": torch.zeros(3)},
        {"step.weight": torch.zeros(())},
    ):
        with pytest.raises(ValueError, match="of another network"):
            load_weights(policy, policy.for_this_length(broken))
