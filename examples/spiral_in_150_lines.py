"""The whole of SPIRAL in one file: an agent learns to draw digits, and nobody shows it a stroke.

    .venv/bin/python examples/spiral_in_150_lines.py

An agent writes a program of brush commands. A painting engine runs it. A discriminator learns to tell the paintings
from real digits, and each command is paid what it added to the discriminator's score (Ganin et al. 2018,
arXiv:1804.01118; rewards by differences of scores: Mellor et al. 2019, arXiv:1910.01007). The engine is a black box: no
gradient passes through it. `spiral train` does the same with four services that work at the same time.

Measured on one core of an AMD EPYC with AVX2: 133 s. LeNet-FID: 162; before learning 793, as many real digits get 30.
"""

from __future__ import annotations

import argparse
import time
from collections import deque
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from spiral import datasets, engines, outputs
from spiral.computing.threads import compute_with
from spiral.configuration.schema import PolicyConfig
from spiral.evaluation.digits import DigitsReference
from spiral.objectives.vtrace_returns import vtrace
from spiral.pictures import save_png, side_by_side
from spiral.policy import Inputs, Policy, build_policy
from spiral.policy.rollouts import Painter
from spiral.services.discriminator.network import build_network, to_input
from spiral.services.discriminator.replay import ReplayBuffer

VIEW = 32  # what agent and discriminator see: 32×32 pixels, gray
NUM_ACTIONS = 6  # commands in a program
BATCH = 64  # programs that are painted and learned from together
REUSE, MINIBATCHES = 2, 4  # passes over each batch, and updates in each pass
CLIP = 0.2  # how far an update may move the probability of a command
VALUE_COST = 0.25
ENTROPY_COST, ENTROPY_COSTS = 0.003, {"size": 0.01, "pressure": 0.01}  # keep the agent trying
R1 = 1.0  # weight of the discriminator's gradient penalty
REPLAY = 1  # batches of paintings that the discriminator remembers; the paper has 20, a short run learns faster with 1
RECENT = 1024  # the last paintings, which the learning curve is measured on


def critic_loss(critic: nn.Module, real: Tensor, painted: Tensor) -> Tensor:
    """High for real pictures ``[N, C, H, W]``, low for paintings: logistic loss with R1 (Mescheder et al.)."""
    real = real.requires_grad_()
    score_real = critic(real)
    (slope,) = torch.autograd.grad(score_real.sum(), real, create_graph=True)
    penalty = R1 / 2 * slope.square().sum((1, 2, 3)).mean()
    return softplus(-score_real).mean() + softplus(critic(painted)).mean() + penalty


def policy_loss(policy: Policy, inputs: Inputs, actions: Tensor, behavior_log_prob: Tensor, rewards: Tensor) -> Tensor:
    """The agent's loss on episodes: actions ``[T, B, K]``, log μ of the policy that painted and rewards ``[T, B]``."""
    now = policy.evaluate_actions(inputs, actions, state=())
    log_ratio = now.log_prob - behavior_log_prob  # log π/μ: the policy as it is, and as it painted
    end = torch.zeros(actions.shape[1])  # after the last command there is nothing to gain
    # V-trace makes up for μ (Espeholt et al. 2018), and clipping keeps each update small (PPO, Schulman et al. 2017).
    targets, advantages = vtrace(log_ratio.detach(), rewards, now.value.detach(), end, discount=1.0)
    ratio = log_ratio.exp()
    gain = torch.minimum(ratio * advantages, ratio.clamp(1 - CLIP, 1 + CLIP) * advantages).mean()
    value_loss = 0.5 * (targets - now.value).square().mean()
    costs = torch.tensor([ENTROPY_COSTS.get(name, ENTROPY_COST) for name in policy.spec.names])
    return VALUE_COST * value_loss - gain - (now.entropy * costs).sum(-1).mean()


def main(frames: int, threads: int, seed: int, out: Path) -> list[float]:
    """Learn from so many commands, print the learning curve and return it; write the last paintings to ``out``."""
    outputs.refuse_to_overwrite([out])
    compute_with(threads)
    torch.manual_seed(seed)
    chance = torch.Generator().manual_seed(seed)

    # The engine, and the pictures that its paintings shall look like.
    settings = {"brush": "classic/pen", "grid": 16, "brush_sizes": [1, 2, 4, 8], "view": VIEW}
    engine = engines.create("mypaint", settings)
    canvases = engine.open(BATCH, threads)
    data = datasets.load("mnist-sample", VIEW)
    reference = DigitsReference.of(data)  # for the learning curve: nothing is learned from it

    # The agent draws a command one component after the other: paint or move, where to, how thick, how hard.
    policy = build_policy(PolicyConfig(), engine.spec, engine.observation_shape, NUM_ACTIONS, conditional=False)
    painter = Painter(policy, BATCH, chance)
    policy_optimizer = torch.optim.Adam(policy.parameters(), fused=True)

    # The discriminator: three convolutions and one number for each picture.
    critic = build_network(engine.observation_shape, channels=(16, 32, 64), conditional=False, seed=seed)
    critic_optimizer = torch.optim.Adam(critic.parameters(), lr=6e-4, betas=(0.5, 0.99), fused=True)
    replay = ReplayBuffer(REPLAY)

    curve: list[float] = []
    recent: deque[np.ndarray] = deque(maxlen=RECENT // BATCH)
    start, batches = time.monotonic(), -(-frames // (BATCH * NUM_ACTIONS))
    for batch in range(1, batches + 1):
        # 1. Paint. The engine runs each command and shows what became of the canvas.
        painter.begin(canvases.reset(np.zeros(BATCH, np.int64)))
        while not painter.done:
            painter.observe(canvases.step(painter.act()))
        episodes = painter.trajectory()  # observations [T+1, B, H, W, C], actions [T, B, K], log-probabilities [T, B]
        recent.append(episodes.observations[-1])

        # 2. Teach the discriminator to tell finished paintings from real digits.
        replay.add(episodes.observations[-1], targets=None)
        painted = to_input(replay.sample(BATCH, chance).paintings, torch.device("cpu"))
        drawn = torch.randint(len(data.train), (BATCH,), generator=chance).numpy()
        critic_optimizer.zero_grad()
        critic_loss(critic, to_input(data.train[drawn], torch.device("cpu")), painted).backward()
        critic_optimizer.step()

        # 3. Reward each command with what it added to the score of the picture.
        with torch.no_grad():
            pictures = to_input(episodes.observations.reshape(-1, *engine.observation_shape), torch.device("cpu"))
            scores = critic(pictures).view(NUM_ACTIONS + 1, BATCH)
        rewards = scores.diff(dim=0)

        # 4. Improve the agent, at a learning rate that falls to a twelfth.
        policy_optimizer.param_groups[0]["lr"] = 1.5e-3 * (1 - 11 / 12 * (batch - 1) / batches)
        actions, log_prob = torch.from_numpy(episodes.actions).long(), torch.from_numpy(episodes.behaviour_log_prob)
        inputs = Inputs(
            seen=policy.watch(torch.from_numpy(episodes.observations[:-1])),
            previous_action=torch.cat([torch.zeros_like(actions[:1]), actions[:-1]]),
            step=torch.arange(NUM_ACTIONS),
        )
        for _ in range(REUSE):
            for some in torch.randperm(BATCH, generator=chance).chunk(MINIBATCHES):
                policy_optimizer.zero_grad()
                policy_loss(policy, inputs.take(some), actions[:, some], log_prob[:, some], rewards[:, some]).backward()
                policy_optimizer.step()

        if batch % max(2, batches // 10) == 0:
            curve.append(reference.evaluate(np.concatenate(recent)).lenet_fid)
            told = f"reward {rewards.sum(0).mean():+.2f}   LeNet-FID {curve[-1]:4.0f}"
            print(f"{batch * BATCH * NUM_ACTIONS:9,} commands {time.monotonic() - start:5.0f} s   {told}", flush=True)
    save_png(side_by_side({"painted": recent[-1], "real": data.test[:BATCH]}), out)
    outputs.remember([out])
    return curve


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=200_000, help="commands to learn from")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("spiral.png"), help="the last paintings, beside real digits")
    main(**vars(parser.parse_args()))
