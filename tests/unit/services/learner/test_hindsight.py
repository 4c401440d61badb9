"""Every finished episode is a perfect example of how to paint its own final picture."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from spiral.configuration.schema import LearnerConfig
from spiral.policy import Policy
from spiral.policy.rollouts import Painter
from spiral.services.learner.hindsight import evaluate_with_hindsight
from spiral.services.learner.policy_learner import PolicyLearner
from spiral.values.trajectories import Trajectory
from tests.support.learning_batches import batch_of
from tests.support.policies import NETWORKS, policy_of, spec_of

B = 16


def painted(policy: Policy, unroll: int | None = None) -> Trajectory:
    """Episodes on canvases that show coarse noise, after targets that are such; or their first unroll."""
    painter = Painter(policy, B, torch.Generator().manual_seed(0), unroll)
    cells = np.random.default_rng(0).integers(0, 2, (3, B, 8, 8, 1), dtype=np.uint8)
    pictures = (255 * cells).repeat(4, axis=2).repeat(4, axis=3)
    painter.begin(pictures[0], pictures[2])
    while not painter.full:
        painter.act()
        painter.observe(pictures[1])
    return painter.trajectory()


def test_hindsight_makes_an_episode_likelier_for_its_own_picture():
    """Without any reward: more so than where the target is what they began on, or another's picture."""
    policy = policy_of("small", spec=spec_of(), view=(32, 32, 1), conditional=True)
    trajectory = painted(policy)
    learner = PolicyLearner(
        policy, LearnerConfig(hindsight=1.0, entropy_cost=0, value_cost=0, learning_rate=0.003), seed=0
    )
    batch = batch_of(policy, trajectory)

    def log_prob(target: np.ndarray) -> float:
        inputs = replace(batch.inputs, target=policy.see(torch.from_numpy(target)))
        return policy.evaluate_actions(inputs, batch.actions, ()).log_prob.mean().item()

    finals = trajectory.observations[-1]
    before = log_prob(finals)
    for _ in range(20):
        learner.learn(trajectory, np.zeros(trajectory.actions.shape[:2], np.float32))
    after = log_prob(finals)
    assert after > before + 1
    assert after > log_prob(trajectory.observations[0]) + 0.05
    assert after > log_prob(np.roll(finals, 1, axis=0)) + 0.2
    assert learner.take_statistics().losses["hindsight"] > 0


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("unroll", [None, 3])
def test_one_pass_judges_an_episode_after_its_target_and_after_its_own_picture(network: str, unroll: int | None):
    policy = policy_of(network, spec=spec_of(), view=(32, 32, 1), conditional=True)
    trajectory = painted(policy, unroll)
    batch = batch_of(policy, trajectory, LearnerConfig(hindsight=1.0))
    own_pictures = replace(batch.inputs, target=policy.see(torch.from_numpy(trajectory.observations[-1])))
    with torch.inference_mode():
        evaluated, imagined = evaluate_with_hindsight(policy.evaluate_actions, batch)
        apart = policy.evaluate_actions(batch.inputs, batch.actions, batch.state)
        after_itself = policy.evaluate_actions(own_pictures, batch.actions, batch.state)
    for one, other in (
        (evaluated.log_prob, apart.log_prob),
        (evaluated.entropy, apart.entropy),
        (evaluated.value, apart.value),
        (imagined, after_itself.log_prob),
    ):
        torch.testing.assert_close(one, other)
    assert not torch.allclose(imagined, evaluated.log_prob)
