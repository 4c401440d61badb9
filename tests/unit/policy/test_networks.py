"""The two networks behind one interface."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from spiral.configuration.schema import LearnerConfig, PolicyConfig
from spiral.policy import Inputs, Policy, build_policy
from spiral.policy.categorical import log_prob_and_entropy
from spiral.policy.paper import FEATURES
from spiral.policy.rollouts import Painter
from spiral.services.learner.policy_learner import PolicyLearner
from spiral.values.actions import ActionSpec, Component
from spiral.values.trajectories import Trajectory
from tests.support.learning_batches import batch_of
from tests.support.policies import NETWORKS, config_of, policy_of, roll_out, spec_of


@pytest.mark.parametrize(
    ("colour", "torso", "heads", "total"), [(True, 686_176, 401_841, 1_613_329), (False, 680_496, 345_333, 1_551_141)]
)
def test_paper_has_the_published_number_of_parameters(colour, torso, heads, total):
    """Checklist of the method, item 1."""
    view = (64, 64, 3 if colour else 1)
    policy = policy_of("paper", spec=spec_of(grid=32, sizes=6, colour=colour), view=view)

    def count(*names: str) -> int:
        return sum(p.numel() for name, p in policy.named_parameters() if name.split(".")[0] in names)

    assert count("lstm") == 525_312
    assert count("value", "heads", "chosen_in", "chosen_mlp") == heads
    assert count("stem", "action_in", "action_mlp", "noise_mlp", "encoder") == torso
    assert sum(p.numel() for p in policy.parameters()) == total


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("conditional", [False, True])
def test_teacher_forcing_gives_the_sampled_log_probabilities(network, conditional):
    """Checklist of the method, item 2."""
    view = (32, 32, 1)
    policy = policy_of(network, spec=spec_of(), view=view, conditional=conditional)
    for dtype, tolerance in ((torch.float32, 1e-5), (torch.float64, 1e-12)):
        policy.to(dtype)
        actions, sampled, inputs = roll_out(policy, view, conditional)
        with torch.inference_mode():
            evaluated = policy.evaluate_actions(inputs, actions, policy.initial_state(actions.shape[1]))
        assert {evaluated.log_prob.dtype, evaluated.entropy.dtype, evaluated.value.dtype, sampled.dtype} == {dtype}
        torch.testing.assert_close(evaluated.log_prob, sampled, atol=tolerance, rtol=0)


@pytest.mark.parametrize("network", NETWORKS)
def test_components_that_do_not_count_have_no_part(network):
    view = (32, 32, 1)
    policy = policy_of(network, spec=spec_of(), view=view)
    actions, _, inputs = roll_out(policy, view, conditional=False)
    moved = actions.clone()
    moved[..., 0] = 0
    changed = moved.clone()
    changed[..., 2:] = (moved[..., 2:] + 1) % torch.tensor(policy.spec.sizes[2:])
    state = policy.initial_state(actions.shape[1])
    with torch.inference_mode():
        one, other = policy.evaluate_actions(inputs, moved, state), policy.evaluate_actions(inputs, changed, state)
    torch.testing.assert_close(one.log_prob, other.log_prob)
    assert (one.entropy[..., 2:] == 0).all()
    assert (one.entropy[..., :2] > 0).all()


@pytest.mark.parametrize(
    ("view", "pooled"), [((32, 32, 1), 16), ((64, 32, 3), 16), ((64, 64, 4), 4), ((48, 48, 1), 16)]
)
def test_small_sees_exact_averages(view, pooled):
    policy = build_policy(PolicyConfig(pooled_size=pooled), spec_of(), view, num_actions=5, conditional=False)
    pictures = torch.randint(0, 256, (2, 3, *view)).byte()
    H, W, C = view
    small = pictures.double().view(2, 3, pooled, H // pooled, pooled, W // pooled, C).mean((3, 5))
    expected = (1 - small / 255).flatten(2).float()
    torch.testing.assert_close(policy.see(pictures), expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("network", NETWORKS)
def test_zero_weights_are_uniform(network):
    view = (32, 32, 1)
    policy = policy_of(network, spec=spec_of(), view=view)
    with torch.no_grad():
        for parameter in policy.parameters():
            parameter.zero_()
    actions, log_prob, _ = roll_out(policy, view, conditional=False, B=64)
    sizes = np.log(np.array(policy.spec.sizes))
    expected = -(policy.spec.mask(actions.numpy().astype(np.int32)) * sizes).sum(-1)
    np.testing.assert_allclose(log_prob.numpy(), expected, atol=1e-4)


def test_the_written_out_gradient_is_the_numerical_one():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(5, 7, dtype=torch.double, generator=generator, requires_grad=True)
    chosen = torch.randint(0, 7, (5,), generator=generator)
    assert torch.autograd.gradcheck(lambda x: log_prob_and_entropy(x, chosen), logits)


def test_log_probability_and_entropy_are_those_of_the_formulas():
    logits = 30 * torch.randn(50, 11, dtype=torch.double, generator=torch.Generator().manual_seed(0))
    chosen = torch.arange(50) % 11
    log_prob, entropy = log_prob_and_entropy(logits.clone(), chosen)
    expected = torch.distributions.Categorical(logits=logits)
    torch.testing.assert_close(log_prob, expected.log_prob(chosen))
    torch.testing.assert_close(entropy, expected.entropy())


@pytest.mark.parametrize("temperature", [0.0, 0.5, 1.0, 2.0])
def test_sampling_follows_the_probabilities(temperature: float):
    """10,000 draws of a component with known logits: within five deviations of what they should be."""
    spec = ActionSpec((Component("a", 3, "choice"),))
    policy = build_policy(PolicyConfig(), spec, (16, 16, 1), num_actions=1, conditional=False)
    probabilities = torch.tensor([0.7, 0.25, 0.05])
    with torch.no_grad():
        for parameter in policy.parameters():
            parameter.zero_()
        policy.heads[0].bias.copy_(probabilities.log())
    B = 10_000
    inputs = Inputs(
        policy.see(torch.zeros(1, B, 16, 16, 1, dtype=torch.uint8)),
        torch.zeros(1, B, 1, dtype=torch.long),
        torch.tensor([0]),
    )
    with torch.inference_mode():
        sampled = policy.act(inputs, (), torch.Generator().manual_seed(0), temperature)
    shares = sampled.actions[:, 0].bincount(minlength=3) / B
    expected = torch.tensor([1.0, 0.0, 0.0])
    if temperature:
        expected = probabilities ** (1 / temperature) / (probabilities ** (1 / temperature)).sum()
    deviations = (expected * (1 - expected) / B).sqrt()
    assert ((shares - expected).abs() <= 5 * deviations).all()
    torch.testing.assert_close(sampled.log_prob, probabilities.log()[sampled.actions[:, 0]])


@pytest.mark.parametrize("setting", ["patch", "glimpse"])
def test_what_has_no_place_cannot_be_looked_at(setting: str):
    spec, look = ActionSpec((Component("a", 3, "choice"),)), {setting: 3}
    with pytest.raises(ValueError, match="actions have no place"):
        build_policy(PolicyConfig(**look), spec, (16, 16, 1), num_actions=1, conditional=False)
    with pytest.raises(ValueError, match=rf'policy\.{setting}: 3.*, but only the network "small" has them; expected 0'):
        build_policy(PolicyConfig(network="paper", **look), spec_of(), (32, 32, 1), num_actions=1, conditional=False)


@pytest.mark.parametrize("count", [1, 3])
def test_memory_is_packed_and_unpacked(count):
    policy = policy_of("paper", spec=spec_of(), view=(32, 32, 1))
    state = tuple(torch.randn(count, FEATURES) for _ in range(2))
    packed = policy.pack_state(state)
    assert packed.shape == (count, policy.state_size)
    for part, unpacked in zip(state, policy.unpack_state(packed), strict=True):
        torch.testing.assert_close(unpacked, part)


def test_memory_reaches_from_the_first_step_to_the_last():
    view = (32, 32, 1)
    policy = policy_of("paper", spec=spec_of(), view=view)
    actions, _, inputs = roll_out(policy, view, conditional=False)
    other = inputs.seen.clone()
    other[0] = 1 - other[0]
    changed = Inputs(other, inputs.previous_action, inputs.step, inputs.noise)
    with torch.inference_mode():
        one = policy.evaluate_actions(inputs, actions, policy.initial_state(6)).value[-1]
        two = policy.evaluate_actions(changed, actions, policy.initial_state(6)).value[-1]
    assert policy.initial_state(6)[0].shape == (6, FEATURES)
    assert not torch.equal(one, two)


@pytest.mark.parametrize(
    ("view", "grid", "message"),
    [
        ((32, 64, 1), 8, "square view"),
        ((48, 48, 1), 8, "48; policy.network: paper needs 8 times"),
        ((64, 64, 1), 5, "5; policy.network: paper needs 4 times"),
    ],
)
def test_paper_says_what_it_cannot_see(view, grid, message):
    with pytest.raises(ValueError, match=message):
        policy_of("paper", spec=spec_of(grid=grid), view=view)


@pytest.mark.parametrize("network", NETWORKS)
def test_a_blind_policy_does_not_see_its_painting_but_its_target(network):
    view, B = (32, 32, 1), 6
    torch.manual_seed(0)
    config = config_of(network, blind=True)
    blind = build_policy(config, spec_of(), view, num_actions=3, conditional=True)
    seeing = build_policy(config.model_copy(update={"blind": False}), spec_of(), view, 3, conditional=True)
    seeing.load_state_dict(blind.state_dict())
    draw = np.random.default_rng(0)
    one, other, target, another = (draw.integers(0, 256, (B, *view), dtype=np.uint8) for _ in range(4))
    white = np.full_like(one, 255)

    def painted(policy: Policy, frame: np.ndarray, target: np.ndarray) -> Trajectory:
        painter = Painter(policy, B, torch.Generator().manual_seed(1))
        painter.begin(white, target)
        while not painter.done:
            painter.act()
            painter.observe(frame)
        return painter.trajectory()

    trajectory = painted(blind, one, target)

    def same_as(other: Trajectory) -> bool:
        return np.array_equal(trajectory.behaviour_log_prob, other.behaviour_log_prob)

    assert same_as(painted(blind, other, target))
    assert same_as(painted(seeing, white, target))
    assert not same_as(painted(seeing, one, target))
    assert not same_as(painted(blind, one, another))
    # The learner keeps the painting from it as well: the log-probabilities agree.
    batch = batch_of(blind, trajectory)
    evaluated = blind.evaluate_actions(batch.inputs, batch.actions, batch.state)
    np.testing.assert_allclose(evaluated.log_prob.detach().numpy(), trajectory.behaviour_log_prob, atol=1e-5)


@pytest.mark.parametrize("network", NETWORKS)
def test_heads_of_moves_are_spared_without_a_difference(network):
    """The heads run on fewer frames than there are; every component's share is what it would be on all of them."""
    view = (32, 32, 1)
    policy = policy_of(network, spec=spec_of(), view=view)
    actions, _, inputs = roll_out(policy, view, conditional=False)
    assert 0 < (actions[..., 0] == 0).sum() < actions[..., 0].numel()
    frames: list[int] = []
    for head in policy.heads:
        head.register_forward_hook(lambda _, arguments, __: frames.append(len(arguments[0])))
    with torch.inference_mode():
        evaluated = policy.evaluate_actions(inputs, actions, policy.initial_state(actions.shape[1]))
        assert frames == policy.mask(actions.flatten(0, 1)).sum(0).tolist()
        features, _, _ = policy.core(inputs, policy.initial_state(actions.shape[1]))
        features, flat = features.flatten(0, 1), actions.flatten(0, 1)
        sight = policy.sight(inputs, len(actions))
        for k in range(len(policy.spec)):
            expected = torch.distributions.Categorical(logits=policy.logits(k, features, sight)).entropy()
            counts = policy.mask(flat)[:, k]
            torch.testing.assert_close(evaluated.entropy[..., k].flatten(), expected * counts, atol=1e-5, rtol=0)
            if k + 1 < len(policy.spec):
                features = policy.advance(k, features, flat[:, k], sight)
        nothing_painted = actions.clone()
        nothing_painted[..., 0] = 0
        assert (
            policy.evaluate_actions(inputs, nothing_painted, policy.initial_state(actions.shape[1]))
            .log_prob.isfinite()
            .all()
        )


def test_nothing_but_the_flag_may_count():
    components = spec_of().components[:3]
    spec = ActionSpec(components, ((True, False, False), (True,) * 3))
    policy = policy_of("small", spec=spec, view=(32, 32, 1))
    frames: list[int] = []
    for head in policy.heads:
        head.register_forward_hook(lambda _, arguments, __: frames.append(len(arguments[0])))
    actions, sampled, inputs = roll_out(policy, (32, 32, 1), conditional=False)
    frames.clear()
    torch.testing.assert_close(policy.evaluate_actions(inputs, actions, ()).log_prob, sampled, atol=1e-5, rtol=0)
    assert frames == policy.mask(actions.flatten(0, 1)).sum(0).tolist()


def test_only_the_first_action_may_move():
    view = (32, 32, 1)
    policy = policy_of("small", spec=spec_of(), view=view)
    policy.moves = "first"
    actions, sampled, inputs = roll_out(policy, view, conditional=False, B=64)
    assert (actions[0, :, 0] == 0).any()
    assert (actions[1:, :, 0] == 1).all()
    evaluated = policy.evaluate_actions(inputs, actions, ())
    torch.testing.assert_close(evaluated.log_prob, sampled, atol=1e-5, rtol=0)
    assert (evaluated.entropy[1:, :, 0] == 0).all()
    assert (evaluated.entropy[0, :, 0] > 0).all()
    (evaluated.log_prob.sum() + evaluated.entropy.sum()).backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in policy.parameters())


def test_every_second_action_moves():
    view = (32, 32, 1)
    policy = policy_of("small", spec=spec_of(), view=view)
    policy.moves = "alternate"
    actions, sampled, inputs = roll_out(policy, view, conditional=False, B=64)
    assert (actions[::2, :, 0] == 0).all()
    assert (actions[1::2, :, 0] == 1).all()
    evaluated = policy.evaluate_actions(inputs, actions, ())
    torch.testing.assert_close(evaluated.log_prob, sampled, atol=1e-5, rtol=0)
    assert (evaluated.entropy[..., 0] == 0).all()
    (evaluated.log_prob.sum() + evaluated.entropy.sum()).backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in policy.parameters())


@pytest.mark.parametrize("optimiser", ["adam", "rmsprop"])
def test_the_learning_rate_falls_with_the_frames_also_after_a_resume(optimiser):
    view = (32, 32, 1)
    painter = Painter(policy_of("small", spec=spec_of(), view=view), 4, torch.Generator().manual_seed(0))
    painter.begin(np.full((4, *view), 255, np.uint8))
    while not painter.done:
        painter.act()
        painter.observe(np.zeros((4, *view), np.uint8))
    trajectory = painter.trajectory()
    rewards = np.zeros(trajectory.actions.shape[:2], np.float32)
    config = LearnerConfig(
        learning_rate=0.01, learning_rate_floor=0.25, learning_rate_frames=1000, optimiser=optimiser, hold_batches=0
    )
    learner = PolicyLearner(policy_of("small", spec=spec_of(), view=view), config, seed=0)
    learner.frames = 500
    learner.learn(trajectory, rewards)
    assert learner.optimiser.param_groups[0]["lr"] == pytest.approx(0.01 * 0.625)
    resumed = PolicyLearner(policy_of("small", spec=spec_of(), view=view), config, seed=0)
    learner.frames_before = 100
    resumed.restore(learner.state())
    assert resumed.frames_before == 100, "a model's frames count wherever its checkpoints go"
    resumed.frames = 2000
    resumed.learn(trajectory, rewards)
    assert resumed.optimiser.param_groups[0]["lr"] == pytest.approx(0.0025)
